package l4

import (
	"testing"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
)

// TestPipeIsEmptiedAtOnce has a pipe's bytes be copied, as splice(2) to the socket is refused. The socket is writable,
// so that no event would tell the loop to send them later.
func TestPipeIsEmptiedAtOnce(t *testing.T) {
	s := serve(t, nil, l4test.Echo(t).Addr())
	p := l4test.Dial(t, s.addr).Send("a").Expect("a")
	s.onOne(func(l *loop, one *session) {
		f := &one.up
		f.pipe = l.borrowPipe()
		n, err := unix.Write(int(f.pipe.w), []byte("spliced"))
		if err != nil {
			t.Error(err)
			return
		}
		f.pipe.held = n
		f.read += uint64(n)
		if errno := one.unpipe(f, &one.backend); errno != 0 || f.pipe != nil || f.waiting() {
			t.Errorf("error %v, the flow keeps %+v, waits: %v", errno, f.pipe, f.waiting())
		}
	})
	p.Expect("spliced").CloseWrite().ExpectEOF()
}
