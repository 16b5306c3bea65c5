package integration

import (
	"slices"
	"testing"

	"forebay/l4/l4test"
)

// witnesses are the ways to find out that a backend refuses, each alone, and all of them as they are without a flag.
var witnesses = map[string][]string{
	"without a flag":        {"--slow-start", "0"},
	"checks alone":          {"--initial", "up", "--check-interval", "1s", "--eject-after", "0", "--eject-share", "0%", "--eject-waiting", "0"},
	"traffic alone":         {"--check", "off", "--eject-waiting", "0"},
	"listening socket only": {"--check", "off", "--eject-after", "0", "--eject-share", "0%"},
}

// Many clients come to four backends. One refuses from the start, and once that is known another one begins to: until
// it is known too, and after that, every client is answered.
func TestRefusalsReachNoClient(t *testing.T) {
	t.Parallel()
	for name, args := range witnesses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusing, good := l4test.Refused(t), []*l4test.Backend{}
			args := append(slices.Clone(args), refusing)
			for range 3 {
				good = append(good, l4test.Serve(t, answers("yes")))
				args = append(args, good[len(good)-1].Addr())
			}
			f := start(t, args...)
			f.Allow("a backend is (down|ejected)")
			c := gather(t, 16, f.Addr())
			if name != "listening socket only" { // which must have been there
				awaitAway(t, f, refusing)
			}
			c.AwaitMore(100, "yes")
			c.Between(good[0].StopListening)
			awaitAway(t, f, good[0].Addr())
			c.AwaitMore(100, "yes")
			c.Disperse()
			for _, line := range f.Stdout.All() {
				if e := parse(t, line); !slices.Contains(e.results(), "connected") {
					t.Errorf("session %d was not connected: %+v", e.Session, e)
				}
			}
		})
	}
}

// awaitAway waits until the last that forebay has logged about a backend is that it is not up.
func awaitAway(t testing.TB, f *forebay, backend string) {
	t.Helper()
	l4test.Await(t, patience, backend+" is down, or ejected", func() bool {
		state := f.stateOf(t, backend)
		return state == "down" || state == "ejected"
	})
}
