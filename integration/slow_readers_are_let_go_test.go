package integration

import (
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A client that sips at an answer is let go, and with it its backend; one that has little to read, and takes it, stays.
func TestSlowReadersAreLetGo(t *testing.T) {
	t.Parallel()
	b := l4test.Serve(t, pourOrEcho)
	f := start(t, "--min-progress", "64KiB/s", "--min-progress-over", "1s", b.Addr())
	modest := l4test.Dial(t, f.Addr()).Send("e")
	slow := l4test.Dial(t, f.Addr()).SetReceiveBuffer(4096).Send("!")
	sipping := slow.Beside(func(p *l4test.Peer) {
		for buf := make([]byte, 512); ; {
			if _, err := p.Conn().Read(buf); err != nil {
				return
			}
			<-time.After(50 * time.Millisecond)
		}
	})
	stop := time.After(3500 * time.Millisecond)
	for stopped := false; !stopped; {
		select {
		case <-stop:
			stopped = true
		default:
			modest.Send("x").Expect("x")
			<-time.After(100 * time.Millisecond)
		}
	}
	e := f.Session()
	wantCause(t, e, "client-slow")
	wantTotal(t, e, 1)
	sipping()
	modest.CloseWrite().ExpectEOF()
}
