package integration

import (
	"slices"
	"testing"

	"forebay/l4/l4test"
)

// With --hedge-after a backend that does not answer costs that much, and not the connect timeout. The loser sees no
// byte.
func TestHedgeHidesBlackHole(t *testing.T) {
	t.Parallel()
	f := start(t, unwatched("--policy", "first", "--hedge-after", "100ms", "--connect-timeout", "1m", l4test.BlackHole(t), l4test.Named(t, "alive").Addr())...)
	l4test.Dial(t, f.Addr()).Expect("alive").ExpectEOF().Close()
	e := f.Session()
	if e.Connect < 0.1 || e.Connect > 0.1+slack.Seconds() {
		t.Errorf("connecting took %v s, want little over 0.1", e.Connect)
	}
	if got := e.results(); !slices.Contains(got, "connected") || len(got) != 2 {
		t.Errorf("tried with results %v, want two, one of them connected", got)
	}
}
