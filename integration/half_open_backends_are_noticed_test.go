package integration

import (
	"net"
	"slices"
	"testing"

	"forebay/l4/l4test"
)

// A backend may be there for the kernel and for nobody else: its queue is full, or whatever drops packets before it
// answers nothing; it takes connections that its program never sees; its program takes them and says nothing. Each is
// noticed in its way, and who comes then waits for nobody.
func TestHalfOpenBackendsAreNoticed(t *testing.T) {
	for _, test := range []struct {
		name    string
		addr    func(testing.TB) string
		args    []string
		clients int // who have to find out
		lost    int // who are lost by that
		why     string
	}{
		{"answers no SYN, to checks", l4test.BlackHole, []string{"--check-timeout", "3s", "--eject-waiting", "0"}, 0, 0, `"by":"check".*no answer in time`},
		{"answers no SYN, to sessions", l4test.BlackHole, []string{"--check", "off", "--connect-timeout", "200ms", "--connect-budget", "1m", "--eject-after", "2", "--eject-waiting", "0"},
			2, 0, `"by":"traffic".*2 connections in a row failed.*time`},
		{"is never accepted", neverAccepts, []string{"--eject-waiting", "500ms"}, 0, 1, `"by":"listener".*clients wait`},
		{"says nothing", silent, []string{"--check", "send:?,expect:alive", "--check-timeout", "3s"}, 0, 0, `"by":"check".*no answer in time`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			halfOpen := test.addr(t)
			f := start(t, append(test.args, "--policy", "first", halfOpen, l4test.Serve(t, answers("alive")).Addr())...)
			f.Allow("a backend is (down|ejected)")
			for range test.lost {
				defer l4test.Dial(t, f.Addr()).Send("?").Reset()
			}
			wantAlive(t, f, test.clients)
			f.Stderr.AwaitMatch(t, `"backend":"`+halfOpen+`".*`+test.why)
			const clients = 20
			wantAlive(t, f, clients)
			all := f.Sessions(test.clients + clients)
			for _, e := range all[test.clients:] {
				if got := e.results(); !slices.Equal(got, []string{"connected"}) {
					t.Errorf("session %d tried with results %v, want connected at once", e.Session, got)
				}
			}
		})
	}
}

// wantAlive has so many clients come, one after the other.
func wantAlive(t testing.TB, f *forebay, clients int) {
	t.Helper()
	for range clients {
		if answer, err := ask(f.Addr()); answer != "alive" {
			t.Errorf("a client got %q and %v", answer, err)
		}
	}
}

// neverAccepts returns an address at which a socket listens, and nobody takes what comes.
func neverAccepts(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", l4test.Reserve(tb, "127.0.0.1:0"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func silent(tb testing.TB) string {
	tb.Helper()
	b, _ := l4test.Stalled(tb)
	return b.Addr()
}
