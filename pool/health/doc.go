// Package health finds out whether a pool's backends are up.
//
// A [Probe] asks one backend once. What there is to ask with is written as an operator writes it and read by [ParseCheck]. Each probe
// leaves as the protocol wants to be left, so that a server that is asked every two seconds for a year has nothing to say about it in
// its log; where that took some finding out, the probe's comment tells what was found.
package health
