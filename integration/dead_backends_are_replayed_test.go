package integration

import (
	"slices"
	"testing"

	"forebay/l4/l4test"
)

// With --replay a request that a backend took and died of goes to the next one, whole and once; the client sees nothing
// but its answer.
func TestDeadBackendsAreReplayed(t *testing.T) {
	t.Parallel()
	const size = 200 << 10
	dead := l4test.Serve(t, func(p *l4test.Peer) { p.ExpectContent(1, 50<<10).Reset() })
	alive := l4test.Serve(t, func(p *l4test.Peer) { p.ExpectContent(1, size).Send("answer").ExpectEOF() })
	f := start(t, "--policy", "first", "--replay", "256KiB", dead.Addr(), alive.Addr())
	l4test.Dial(t, f.Addr()).SendContent(1, size).Expect("answer").CloseWrite().ExpectEOF()
	e := f.Session()
	wantCause(t, e, "client-closed")
	if got := e.results(); !slices.Equal(got, []string{"died", "connected"}) {
		t.Errorf("tried with results %v, want died, then connected", got)
	}
	alive.AwaitDone(1)
}

// Without it the client sees how its backend ended.
func TestDeadBackendsAreNotReplayedUnasked(t *testing.T) {
	t.Parallel()
	dead := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("ping").Reset() })
	f := start(t, "--policy", "first", dead.Addr(), l4test.Echo(t).Addr())
	l4test.Dial(t, f.Addr()).Send("ping").ExpectReset()
	wantCause(t, f.Session(), "backend-reset")
}
