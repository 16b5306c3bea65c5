package integration

import (
	"testing"

	"forebay/l4/l4test"
)

// A client that takes nothing of what was sent to it for --user-timeout is given up, and with it its backend. To the kernel a window that stays
// closed is as good as silence. One that has nothing to take stays.
func TestDeadPeersAreGivenUp(t *testing.T) {
	t.Parallel()
	b := l4test.Serve(t, func(p *l4test.Peer) {
		if p.Receive(1)[0] == 'e' {
			l4test.EchoScript(p)
			return
		}
		for buf := make([]byte, 64<<10); ; {
			if _, err := p.Conn().Write(buf); err != nil {
				return
			}
		}
	})
	f := start(t, "--user-timeout", "1s", b.Addr())
	quiet := l4test.Dial(t, f.Addr()).Send("e")
	l4test.DialNarrow(t, f.Addr(), 4<<10).Send("!")
	e := f.Session()
	wantCause(t, e, "client-timeout")
	wantTotal(t, e, 1)
	if e.ClientUnacked == 0 {
		t.Errorf("the log tells of nothing that was not acknowledged: %+v", e)
	}
	quiet.Send("x").Expect("x").CloseWrite().ExpectEOF()
	b.AwaitDone(2)
}
