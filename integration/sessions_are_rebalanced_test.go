package integration

import (
	"testing"

	"forebay/l4/l4test"
)

// TestSessionsAreRebalanced has a backend that was down come back: half of the other's sessions are ended in good
// order, and their clients find it.
func TestSessionsAreRebalanced(t *testing.T) {
	t.Parallel()
	const clients = 8
	late, early := l4test.Echo(t), l4test.Echo(t)
	late.Close()
	f := start(t, "--policy", "least-conn", "--rebalance", "rate=100", "--slow-start", "0", "--check-interval", "100ms", early.Addr(), late.Addr())
	f.Allow("a backend is down")
	f.Stderr.AwaitMatch(t, "a backend is down")
	var all []*l4test.Peer
	for range clients {
		all = append(all, l4test.Dial(t, f.Addr()).Send("x").Expect("x"))
	}
	again := l4test.ServeAt(t, late.Addr(), l4test.EchoScript)
	for _, e := range f.Sessions(clients / 2) {
		wantCause(t, e, "rebalanced")
	}
	for range clients / 2 {
		l4test.Dial(t, f.Addr()).Send("y").Expect("y")
	}
	if n := again.Open(); n < clients/2 {
		t.Errorf("%d sessions on the backend that is back, want %d", n, clients/2)
	}
	for _, p := range all {
		p.Close()
	}
}
