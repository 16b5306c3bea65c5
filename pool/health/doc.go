// Package health finds out whether a pool's backends are up.
//
// A [Probe] asks one backend once. An operator writes it as a [Check], which [ParseCheck] reads. Each probe ends the
// connection as its protocol demands, so that a server that is asked every two seconds for a year logs nothing about
// it. Where that is not obvious, the probe's comment says what was found.
//
// A [Checker] probes all backends of a pool, each at its own pace. It counts the results, and gives the pool its
// verdict with the evidence (pool.Backend.Judge). The pool also hears of sessions: it asks for a check after one that
// failed, and sessions that go well can replace checks.
package health
