package integration

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A backend that comes and goes under load is used while it is there, and no client notices that it goes: those that
// find it gone are served by another, and with --replay even those whose connections it resets.
func TestFlappingBackendsHarmNobody(t *testing.T) {
	t.Parallel()
	var dying ponderer
	for _, test := range []struct {
		name   string
		args   []string
		script func(*l4test.Peer)
		end    func(*crowd, *l4test.Backend)
		tried  string // what is in the log of some session
	}{
		{"refuses", nil, answers("flapping"), func(c *crowd, b *l4test.Backend) { c.Between(b.StopListening) }, "refused"},
		{"dies", []string{"--replay", "1KiB"}, dying.ponder, func(_ *crowd, b *l4test.Backend) { dying.end(b) }, "died"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			flapping := l4test.ServeAbruptAt(t, l4test.Refused(t), test.script)
			f := start(t, append(test.args, "--check-interval", "200ms", "--eject-hold", "100ms", "--slow-start", "0",
				l4test.Serve(t, answers("steady")).Addr(), flapping.Addr())...)
			f.Allow("a backend is (down|ejected)")
			c := gather(t, 8, f.Addr())
			for range 4 {
				c.AwaitMore(20, "flapping")
				test.end(c, flapping)
				awaitAway(t, f, flapping.Addr())
				c.AwaitMore(20, "steady")
				flapping = l4test.ServeAbruptAt(t, flapping.Addr(), test.script)
				awaitUp(t, f, flapping.Addr())
			}
			c.AwaitMore(20, "flapping")
			c.Disperse()
			f.Stdout.AwaitMatch(t, `"result":"`+test.tried+`"`)
		})
	}
}

// A ponderer is a backend that takes its time, so that it has somebody in its hands whenever it ends: it resets them
// then, and with them those that it has not looked at yet. A FIN would be the end of an idle connection for a client
// that is slow to ask, and no death: that is passed on.
type ponderer struct{ telling sync.RWMutex }

func (d *ponderer) ponder(p *l4test.Peer) {
	conn := p.Conn().(*net.TCPConn)
	if n, _ := conn.Read(make([]byte, 1)); n == 0 {
		return
	}
	select {
	case <-time.After(20 * time.Millisecond):
		d.tell(conn)
	case <-p.Ended():
	}
}

// tell gives the answer and its end, or nothing of both.
func (d *ponderer) tell(conn *net.TCPConn) {
	if !d.telling.TryRLock() {
		return // it is ending
	}
	conn.SetLinger(-1)
	io.WriteString(conn, "flapping")
	conn.CloseWrite()
	d.telling.RUnlock()
	io.Copy(io.Discard, conn)
}

// end ends b at a moment at which no answer has been begun.
func (d *ponderer) end(b *l4test.Backend) {
	d.telling.Lock()
	defer d.telling.Unlock()
	b.Close()
}

// Each time that it fails it is held back for twice as long as the time before.
func TestFlappingBackendIsHeldLonger(t *testing.T) {
	t.Parallel()
	const first, times = 50 * time.Millisecond, 5
	flapping := l4test.Serve(t, answers("flapping"))
	f := start(t, "--check", "off", "--eject-after", "1", "--eject-waiting", "0", "--eject-hold", first.String(), "--slow-start", "0",
		l4test.Serve(t, answers("steady")).Addr(), flapping.Addr())
	f.Allow("a backend is ejected")
	c := gather(t, 4, f.Addr())
	for range times {
		c.AwaitMore(1, "flapping")
		c.Between(flapping.StopListening)
		awaitAway(t, f, flapping.Addr())
		flapping = l4test.ServeAt(t, flapping.Addr(), answers("flapping"))
		awaitUp(t, f, flapping.Addr())
	}
	c.Disperse()
	holds := 0
	for _, tr := range f.transitions(t, flapping.Addr()) {
		if tr.To != "ejected" {
			continue
		}
		least := first << holds
		holds++
		if got, err := time.ParseDuration(tr.Hold); err != nil || got < least || got > least*5/4+time.Millisecond {
			t.Errorf("the hold %d of those that followed each other lasts %q, want %v and up to a quarter more", holds, tr.Hold, least)
		}
	}
	if holds < times {
		t.Errorf("got %d holds, want %d", holds, times)
	}
}
