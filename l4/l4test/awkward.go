package l4test

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Echo starts a Backend that sends back what it gets, and its FIN after the other side's.
func Echo(tb testing.TB) *Backend { tb.Helper(); return Serve(tb, EchoScript) }

// EchoScript is what Echo plays. A reset ends it quietly: who sent one is for the other side to judge. The methods of
// the connection are hidden from io.Copy, which would splice: splice(2) stops for ever at urgent data.
func EchoScript(p *Peer) { io.Copy(struct{ io.Writer }{p.conn}, struct{ io.Reader }{p.conn}) }

// Discard starts a Backend that reads until the other side's FIN, then sends its own. It sends no byte.
func Discard(tb testing.TB) *Backend {
	tb.Helper()
	return Serve(tb, func(p *Peer) { io.Copy(io.Discard, p.conn) })
}

// Source starts a Backend that sends Content(seed, n) as fast as it is taken, then its FIN, and waits for the other
// side's.
func Source(tb testing.TB, seed uint64, n int64) *Backend {
	tb.Helper()
	return Serve(tb, func(p *Peer) { p.SendContent(seed, n).CloseWrite().ReceiveAll() })
}

// Banner starts a Backend of a protocol in which the server speaks first: it sends text, then echoes.
func Banner(tb testing.TB, text string) *Backend {
	tb.Helper()
	return Serve(tb, func(p *Peer) { EchoScript(p.Send(text)) })
}

// Named starts a Backend that sends name and its FIN, and so tells a client which one it reached.
func Named(tb testing.TB, name string) *Backend {
	tb.Helper()
	return Serve(tb, func(p *Peer) { p.Send(name).CloseWrite().ReceiveAll() })
}

// AcceptAndClose starts a Backend that closes each connection at once, with a FIN.
func AcceptAndClose(tb testing.TB) *Backend { tb.Helper(); return Serve(tb, func(*Peer) {}) }

// AcceptAndReset starts a Backend that resets each connection at once.
func AcceptAndReset(tb testing.TB) *Backend { tb.Helper(); return Serve(tb, (*Peer).Reset) }

// Dying starts a Backend that sends Content(seed, n), waits until the other side's kernel has it all, and resets.
func Dying(tb testing.TB, seed uint64, n int64) *Backend {
	tb.Helper()
	return Serve(tb, func(p *Peer) { p.SendContent(seed, n).AwaitAcked().Reset() })
}

// Stalled starts a Backend that accepts and does not read until resume is called; then it reads to the FIN and sends
// its own.
func Stalled(tb testing.TB) (b *Backend, resume func()) {
	tb.Helper()
	going := make(chan struct{})
	b = Serve(tb, func(p *Peer) {
		select {
		case <-going:
			io.Copy(io.Discard, p.conn)
		case <-p.Ended():
		}
	})
	return b, sync.OnceFunc(func() { close(going) })
}

// BlackHole returns an address that answers no SYN: a socket listens there whose accept queue is full (listen(2),
// tcp(7)).
func BlackHole(tb testing.TB) string {
	tb.Helper()
	fd, addr := bind(tb, netip.MustParseAddrPort(anywhere()))
	if err := unix.Listen(fd, 0); err != nil {
		tb.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", addr, stepLimit) // a backlog of 0 holds one
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return addr
}
