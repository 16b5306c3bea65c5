package integration

import (
	"net"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A backend that is back has no session, and would be sent everybody by a policy that looks for the fewest. With slow
// start it gets few at first, whatever the policy. What least-time does is tested in the pool alone: here it hangs on
// what times this machine takes.
func TestReturningBackendIsNotFlooded(t *testing.T) {
	t.Parallel()
	const clients, few = 48, 48 / 8
	for _, test := range []struct {
		policy, slowStart string
		least, most       int // sessions that it gets of those that come after it
	}{
		{"least-conn", "0", clients, clients}, // the flood
		{"least-conn", "1h", 1, few},
		{"round-robin", "1h", 1, few},
		{"random", "1h", 0, few},
		{"source", "1h", 0, few},
		{"first", "1h", 1, few},
	} {
		t.Run(test.policy+" "+test.slowStart, func(t *testing.T) {
			t.Parallel()
			away, steady := l4test.Refused(t), l4test.Echo(t)
			f := start(t, "--policy", test.policy, "--slow-start", test.slowStart, "--check-interval", "100ms", away, steady.Addr())
			f.Allow("a backend is down")
			awaitAway(t, f, away)
			stay(t, f, clients)
			returning := l4test.ServeAt(t, away, l4test.EchoScript)
			awaitUp(t, f, away)
			stay(t, f, clients)
			got, all := returning.Open(), returning.Open()+steady.Open()
			if all != 2*clients {
				t.Errorf("%d sessions are open, want %d", all, 2*clients)
			}
			if got > test.most || test.least > got {
				t.Errorf("the backend that is back has %d of %d sessions that came after it, want %d to %d", got, clients, test.least, test.most)
			}
		})
	}
}

// stay has n clients come who stay, each from an address of its own.
func stay(t testing.TB, f *forebay, n int) {
	t.Helper()
	for i := range n {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i+1))}, Timeout: patience}
		conn, err := d.Dial("tcp", f.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(patience))
		echo := []byte{'x'}
		if _, err := conn.Write(echo); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(echo); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
}

// Its share grows all the while, and in the end it is the whole.
func TestReturningBackendComesToItsShare(t *testing.T) {
	t.Parallel()
	const slowStart = 3 * time.Second
	away := l4test.Refused(t)
	f := start(t, "--slow-start", slowStart.String(), "--check-interval", "100ms", away, l4test.Serve(t, answers("steady")).Addr())
	f.Allow("a backend is down")
	awaitAway(t, f, away)
	c := gather(t, 2, f.Addr())
	l4test.ServeAt(t, away, answers("returning"))
	awaitUp(t, f, away)
	history := f.transitions(t, away)
	back := history[len(history)-1].Time
	c.AwaitMore(1, "returning")
	l4test.Await(t, patience, "as many sessions for the one as for the other", func() bool {
		const round = 100 // of fewer, one that is nearly there has half
		served := 0
		c.Between(func() {
			for range round {
				if answer, _ := ask(f.Addr()); answer == "returning" {
					served++
				}
			}
		})
		return served == round/2
	})
	whole := time.Since(back)
	c.Disperse()
	if least := slowStart * 9 / 10; whole < least {
		t.Errorf("it has its whole share after %v, want %v or little less", whole, slowStart)
	}
	early, late := f.share(t, away, back, back.Add(slowStart/3)), f.share(t, away, back.Add(slowStart*2/3), back.Add(slowStart))
	if early > 0.3 || late < early {
		t.Errorf("its share is %.2f in the first third of slow start and %.2f in the last, want a sixth of it at first and nearly half then", early, late)
	}
}

// share returns which share of the sessions that began in a time a backend got.
func (f *forebay) share(t testing.TB, backend string, from, to time.Time) float64 {
	t.Helper()
	all, served := 0, 0
	for _, line := range f.Stdout.All() {
		e := parse(t, line)
		if e.Time.Before(from) || e.Time.After(to) {
			continue
		}
		all++
		if e.Backend == backend {
			served++
		}
	}
	if all == 0 {
		t.Fatalf("no session began between %v and %v", from, to)
	}
	return float64(served) / float64(all)
}
