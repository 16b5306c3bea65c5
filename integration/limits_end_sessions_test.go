package integration

import (
	"sync"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A session in which nothing moves is ended, one in which a byte moves now and then is not.
func TestIdleTimeoutEndsStillSessions(t *testing.T) {
	t.Parallel()
	f := start(t, "--idle-timeout", "2s", l4test.Echo(t).Addr())
	client := l4test.Dial(t, f.Addr()).Send("x").Expect("x")
	for range 12 {
		l4test.Pace(t, 200*time.Millisecond, 2*time.Second)
		client.Send("x").Expect("x")
	}
	client.ExpectReset()
	e := f.Session()
	wantCause(t, e, "idle")
	wantTotal(t, e, 2.4+1.9)
}

// After one side's FIN the other may go on for as long as it moves: the limit is renewed by progress, and ends what
// stands still.
func TestHalfCloseTimeoutIsRenewedByProgress(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	noMore := sync.OnceFunc(func() { close(more) })
	defer noMore()
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.ExpectEOF()
		for range more {
			p.Send("x")
		}
		p.ExpectResetAfterEOF()
	})
	f := start(t, "--half-close-timeout", "2s", b.Addr())
	client := l4test.Dial(t, f.Addr()).CloseWrite()
	for range 12 {
		more <- struct{}{}
		client.Expect("x")
		l4test.Pace(t, 200*time.Millisecond, 2*time.Second)
	}
	noMore()
	client.ExpectReset()
	b.AwaitDone(1)
	e := f.Session()
	wantCause(t, e, "half-closed")
	wantTotal(t, e, 2.2+1.9)
}

// A session ends at its lifetime, busy or not.
func TestMaxLifetimeEndsBusySessions(t *testing.T) {
	t.Parallel()
	f := start(t, "--max-lifetime", "600ms", "--lifetime-jitter", "0%", l4test.Echo(t).Addr())
	client, late := l4test.Dial(t, f.Addr()), time.Now().Add(patience)
	for b := []byte("x"); time.Now().Before(late); {
		if _, err := client.Conn().Write(b); err != nil {
			break
		}
		if _, err := client.Conn().Read(b); err != nil {
			break
		}
	}
	e := f.Session()
	wantCause(t, e, "lifetime")
	wantTotal(t, e, 0.6)
}

// Jitter shortens lifetimes, each by another share, and none by more than it says.
func TestLifetimeJitterSpreadsEnds(t *testing.T) {
	t.Parallel()
	const clients = 12
	f := start(t, "--max-lifetime", "5s", "--lifetime-jitter", "80%", l4test.Echo(t).Addr())
	for range clients {
		l4test.Dial(t, f.Addr()).Send("x").Expect("x")
	}
	least, most := 9.9, 0.0
	for _, e := range f.Sessions(clients) {
		wantCause(t, e, "lifetime")
		wantTotal(t, e, 1)
		least, most = min(least, e.Total), max(most, e.Total)
	}
	if most-least < 0.05 {
		t.Errorf("%d sessions lived for %v to %v s, want them spread", clients, least, most)
	}
}

// More clients than --max-conns wait in the kernel's queue, and are served when there is room.
func TestMaxConnsMakesClientsWait(t *testing.T) {
	t.Parallel()
	b := l4test.Echo(t)
	f := start(t, "--max-conns", "2", b.Addr())
	one := l4test.Dial(t, f.Addr()).Send("1").Expect("1")
	two := l4test.Dial(t, f.Addr()).Send("2").Expect("2")
	three := l4test.Dial(t, f.Addr()).Send("3")
	two.Send("2").Expect("2")
	if b.Accepted() != 2 || three.Unread() > 0 {
		t.Errorf("%d sessions run, want 2", b.Accepted())
	}
	one.CloseWrite().ExpectEOF()
	three.Expect("3").CloseWrite().ExpectEOF()
	two.CloseWrite().ExpectEOF()
}

// wantTotal fails unless e lasted for so many seconds, or little more.
func wantTotal(t *testing.T, e entry, seconds float64) {
	t.Helper()
	if e.Total < seconds || e.Total > seconds+slack.Seconds() {
		t.Errorf("session %d lasted %v s, want little over %v", e.Session, e.Total, seconds)
	}
}
