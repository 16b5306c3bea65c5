package integration

import (
	"testing"

	"forebay/l4/l4test"
)

const mib = 1 << 20

// One side says everything and sends its FIN; then the other sends 1 MiB and its own. RFC 9293 section 3.6 calls it
// half-closed.
func TestHalfCloseIsForwarded(t *testing.T) {
	t.Parallel()
	t.Run("client first", func(t *testing.T) {
		t.Parallel()
		b := l4test.Serve(t, func(p *l4test.Peer) {
			p.Expect("request").ExpectEOF().SendContent(1, mib).CloseWrite()
		})
		f := start(t, b.Addr())
		l4test.Dial(t, f.Addr()).Send("request").CloseWrite().ExpectContent(1, mib).ExpectEOF().Close()
		b.AwaitDone(1)
		e := f.Session()
		wantCause(t, e, "client-closed")
		wantBytes(t, e, int64(len("request")), mib)
	})
	t.Run("backend first", func(t *testing.T) {
		t.Parallel()
		b := l4test.Serve(t, func(p *l4test.Peer) {
			p.Send("goodbye").CloseWrite().ExpectContent(1, mib).ExpectEOF()
		})
		f := start(t, b.Addr())
		l4test.Dial(t, f.Addr()).Expect("goodbye").ExpectEOF().SendContent(1, mib).CloseWrite()
		b.AwaitDone(1)
		e := f.Session()
		wantCause(t, e, "backend-closed")
		wantBytes(t, e, mib, int64(len("goodbye")))
	})
}

// A FIN with nothing before it is forwarded too, both ways.
func TestSilentHalfCloseIsForwarded(t *testing.T) {
	t.Parallel()
	b := l4test.Serve(t, func(p *l4test.Peer) { p.ExpectEOF().Send("so be it") })
	f := start(t, b.Addr())
	l4test.Dial(t, f.Addr()).CloseWrite().Expect("so be it").ExpectEOF()
	b.AwaitDone(1)
	wantCause(t, f.Session(), "client-closed")
}
