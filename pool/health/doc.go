// Package health finds out whether a pool's backends are up.
//
// A [Probe] asks one backend once. What there is to ask with is written as an operator writes it and read by
// [ParseCheck]. Each probe leaves as the protocol wants to be left, so that a server that is asked every two seconds
// for a year has nothing to say about it in its log; where that took some finding out, the probe's comment tells what
// was found.
//
// A [Checker] has all backends of a pool asked, each at its own pace, counts what they answer, and gives the pool its
// verdict (pool.Backend.Judge) with the evidence. Traffic speaks to the pool by itself: the pool asks for a check when
// a session gives rise to doubt, and sessions that go well can stand for checks.
package health
