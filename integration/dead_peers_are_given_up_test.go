package integration

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A client that acknowledges nothing of what was sent to it for --user-timeout is given up, and with it its backend:
// one that vanishes while it reads, and one that had stopped reading before. One that merely has nothing to take stays.
func TestDeadPeersAreGivenUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		pause time.Duration // before it vanishes
	}{
		{"reading", 0},
		{"paused", 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := l4test.Serve(t, pourOrEcho)
			f := start(t, "--user-timeout", "1s", b.Addr())
			quiet := l4test.Dial(t, f.Addr()).Send("e")
			p := l4test.DialNarrow(t, f.Addr(), 4<<10).Send("!")
			p.Receive(1)
			<-time.After(c.pause)
			p.Vanish()
			p.Beside(func(p *l4test.Peer) { io.Copy(io.Discard, p.Conn()) })
			e := f.Session()
			wantCause(t, e, "client-timeout")
			if e.ClientUnacked == 0 {
				t.Errorf("the log tells of nothing that was not acknowledged: %+v", e)
			}
			quiet.Send("x").Expect("x").CloseWrite().ExpectEOF()
			b.AwaitDone(2)
		})
	}
}

// A reader that pauses for far longer than --user-timeout, a client or a backend, gets all that was sent: its system
// answers all the time, though it has no room.
func TestPausedReadersStay(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	// The backend is watched from five seconds on.
	pause := func(p *l4test.Peer) *l4test.Peer { <-time.After(5*time.Second + 3*limit); return p }
	for narrow, size := range map[int]int64{4 << 10: 3 * mib, 64 << 10: 8 * mib} {
		t.Run(fmt.Sprint("client ", narrow), func(t *testing.T) {
			t.Parallel()
			b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("!").SendContent(1, size).CloseWrite().ExpectEOF() })
			f := start(t, "--user-timeout", limit.String(), b.Addr())
			pause(l4test.DialNarrow(t, f.Addr(), narrow).Send("!")).ExpectContent(1, size).CloseWrite().ExpectEOF()
			wantBytes(t, f.Session(), 1, size)
		})
		t.Run(fmt.Sprint("backend ", narrow), func(t *testing.T) {
			t.Parallel()
			b := l4test.ServeNarrow(t, narrow, func(p *l4test.Peer) { pause(p).ExpectContent(1, size).ExpectEOF() })
			f := start(t, "--user-timeout", limit.String(), b.Addr())
			l4test.Dial(t, f.Addr()).SendContent(1, size).CloseWrite().ExpectEOF()
			wantBytes(t, f.Session(), size, 0)
		})
	}
}

// A reader that takes a little all the time is not dead, though its window is closed each time that it is looked at,
// and never opens by as much as is to be sent next.
func TestSlowReadersStay(t *testing.T) {
	t.Parallel()
	b := l4test.Serve(t, pourOrEcho)
	f := start(t, "--user-timeout", "2s", b.Addr())
	var readers sync.WaitGroup
	for range 24 {
		readers.Go(func() {
			p := l4test.DialNarrow(t, f.Addr(), 4<<10).Send("!")
			p.Conn().SetReadDeadline(time.Now().Add(2 * time.Minute))
			for range 300 {
				if _, err := p.Conn().Read(make([]byte, 1<<10)); err != nil {
					t.Error(err)
					return
				}
				<-time.After(50 * time.Millisecond)
			}
			p.Reset()
		})
	}
	readers.Wait()
	for range 24 {
		wantCause(t, f.Session(), "client-reset")
	}
}

// pourOrEcho sends for ever, or echoes where the client asks for that.
func pourOrEcho(p *l4test.Peer) {
	if p.Receive(1)[0] == 'e' {
		l4test.EchoScript(p)
		return
	}
	for buf := make([]byte, 64<<10); ; {
		if _, err := p.Conn().Write(buf); err != nil {
			return
		}
	}
}
