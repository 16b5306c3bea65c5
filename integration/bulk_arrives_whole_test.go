package integration

import (
	"io"
	"testing"

	"forebay/l4/l4test"
)

// bulk is what goes each way.
const bulk = 64 * mib

// 64 MiB go each way at once, and every byte is compared. What fills a read several times in a row is spliced; what
// never does is copied, and the pipes that forebay holds afterwards tell which it was.
func TestBulkArrivesWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		move   func(p *l4test.Peer, out, in uint64)
		splice bool
	}{
		{"spliced", inOneGo, true},
		{"copied", inSteps, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := l4test.Serve(t, func(p *l4test.Peer) { c.move(p, 1, 2) })
			f := start(t, b.Addr())
			before := f.Pipes()
			c.move(l4test.Dial(t, f.Addr()), 2, 1)
			b.AwaitDone(1)
			if got := f.Pipes() > before; got != c.splice {
				t.Errorf("forebay has pipes for splice(2): %v, want %v", got, c.splice)
			}
			wantBytes(t, f.Session(), bulk, bulk)
		})
	}
}

// inOneGo sends as fast as it is taken, and receives at the same time.
func inOneGo(p *l4test.Peer, out, in uint64) {
	wait := p.Beside(func(p *l4test.Peer) { p.SendContent(out, bulk).CloseWrite() })
	p.ExpectContent(in, bulk).ExpectEOF()
	wait()
}

// inSteps never has more than 8 KiB under way in either direction.
func inSteps(p *l4test.Peer, out, in uint64) {
	const step = 8 << 10
	send, expect, b := l4test.Content(out, bulk), l4test.Content(in, bulk), make([]byte, step)
	for range bulk / step {
		io.ReadFull(send, b)
		p.Send(string(b))
		io.ReadFull(expect, b)
		p.Expect(string(b))
	}
	p.CloseWrite().ExpectEOF()
}

// The same through TLS, which is copied.
func TestBulkArrivesWholeThroughTLS(t *testing.T) {
	t.Parallel()
	inEach(t, always, func(t *testing.T, w arrangement) {
		f := w.build(t, func(p *l4test.Peer) { inOneGo(p, 1, 2) })
		inOneGo(f.dial(t), 2, 1)
		f.backend.AwaitDone(1)
		wantBytes(t, f.Session(), bulk, bulk)
	})
}
