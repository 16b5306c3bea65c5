package integration

import (
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A reset on one side becomes one on the other, after every byte that had arrived before it.
func TestResetsAreMirrored(t *testing.T) {
	t.Parallel()
	t.Run("backend in the middle of data", func(t *testing.T) {
		t.Parallel()
		b := l4test.Dying(t, 1, mib)
		f := start(t, b.Addr())
		l4test.Dial(t, f.Addr()).ExpectContent(1, mib).ExpectReset()
		e := f.Session()
		wantCause(t, e, "backend-reset")
		wantBytes(t, e, 0, mib)
	})
	t.Run("client in the middle of data", func(t *testing.T) {
		t.Parallel()
		b := l4test.Serve(t, func(p *l4test.Peer) { p.ExpectContent(1, mib).ExpectReset() })
		f := start(t, b.Addr())
		l4test.Dial(t, f.Addr()).SendContent(1, mib).AwaitAcked().Reset()
		b.AwaitDone(1)
		e := f.Session()
		wantCause(t, e, "client-reset")
		wantBytes(t, e, mib, 0)
	})
	t.Run("backend while both send", func(t *testing.T) {
		t.Parallel()
		b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("go").SendContent(1, mib).AwaitAcked().Reset() })
		f := start(t, b.Addr())
		l4test.Dial(t, f.Addr()).Send("go").ExpectContent(1, mib).ExpectReset()
		wantCause(t, f.Session(), "backend-reset")
	})
	t.Run("backend after the client's FIN", func(t *testing.T) {
		t.Parallel()
		b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("go").ExpectEOF().SendContent(1, mib).AwaitAcked().Reset() })
		f := start(t, b.Addr())
		l4test.Dial(t, f.Addr()).Send("go").CloseWrite().ExpectContent(1, mib).ExpectReset()
		wantCause(t, f.Session(), "backend-reset")
	})
	t.Run("client after the backend's FIN", func(t *testing.T) {
		t.Parallel()
		b := l4test.Serve(t, func(p *l4test.Peer) { p.CloseWrite().Expect("x").ExpectReset() })
		f := start(t, b.Addr())
		l4test.Dial(t, f.Addr()).ExpectEOF().Send("x").AwaitAcked().Reset()
		b.AwaitDone(1)
		wantCause(t, f.Session(), "client-reset")
	})
}

// What the backend sent before its reset reaches a client that reads only later, through a window of a few KiB: closing
// with linger 0 at once would drop what still waits in the send queue.
func TestResetWaitsForASlowReader(t *testing.T) {
	t.Parallel()
	const size = 200 << 10
	b := l4test.Dying(t, 1, size)
	f := start(t, b.Addr())
	client := l4test.DialNarrow(t, f.Addr(), 4<<10)
	b.AwaitDone(1)
	<-time.After(100 * time.Millisecond) // gives what is wrong time to go wrong
	client.ExpectContent(1, size).ExpectReset()
	wantBytes(t, f.Session(), 0, size)
}
