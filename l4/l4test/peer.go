package l4test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stepLimit bounds each step of a script, so that a test of something that hangs fails at the step that hung.
const stepLimit = 20 * time.Second

// A stream is what a TCP and a UNIX connection have in common.
type stream interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// A Peer is one end of a connection that follows a script: each method is a step, and a step that goes otherwise than
// it says fails the test. The methods that do something return the Peer, so that a script reads as one sentence. A Peer
// is for one goroutine, or for one that sends and one that receives.
type Peer struct {
	tb   testing.TB
	conn stream
	fail func(format string, args ...any) // does not return

	ended <-chan struct{} // nil for a Peer that dialed
}

// Dial connects to addr. The connection is closed when the test ends, at the latest.
func Dial(tb testing.TB, addr string) *Peer {
	tb.Helper()
	p, err := TryDial(tb, addr)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// DialNarrow is Dial with a receive buffer of so many bytes (socket(7): the kernel doubles the number). One that is set
// when bytes are under way already makes the kernel drop them, and the other side wait longer and longer before it
// sends them again.
func DialNarrow(tb testing.TB, addr string, bytes int) *Peer {
	tb.Helper()
	p, err := tryDial(tb, addr, narrow(bytes))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// TryDial is Dial for a connection that may be refused. One that was reset before the dialer looked is a Peer on which
// that shows.
func TryDial(tb testing.TB, addr string) (*Peer, error) { return tryDial(tb, addr, nil) }

// TryDialFrom is TryDial from a local address, which may be one of the other host's, for a connection that is read so.
func TryDialFrom(tb testing.TB, from netip.Addr, addr string, how Reading) (*Peer, error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Control: how.prepare}
	return dial(tb, addr, &d)
}

func tryDial(tb testing.TB, addr string, prepare preparation) (*Peer, error) {
	return dial(tb, addr, &net.Dialer{Control: prepare})
}

func dial(tb testing.TB, addr string, d *net.Dialer) (*Peer, error) {
	network, address := split(addr)
	d.Timeout = stepLimit
	var conn net.Conn
	from := ""
	if d.LocalAddr != nil {
		from = d.LocalAddr.String()
	}
	err := whereItIs(from, func() (err error) {
		conn, err = d.Dial(network, address)
		return err
	})
	if errors.Is(err, syscall.ECONNRESET) {
		return &Peer{tb: tb, conn: gone{}, fail: tb.Fatalf}, nil
	}
	if err != nil {
		return nil, err
	}
	tb.Cleanup(func() { conn.Close() })
	return &Peer{tb: tb, conn: conn.(stream), fail: tb.Fatalf}, nil
}

// split turns an address as an operator writes it into the two that package net wants.
func split(addr string) (network, address string) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return "unix", path
	}
	return "tcp", addr
}

// Send sends b, all of it.
func (p *Peer) Send(b string) *Peer {
	p.tb.Helper()
	p.conn.SetWriteDeadline(time.Now().Add(stepLimit))
	if n, err := p.conn.Write([]byte(b)); err != nil {
		p.fail("send: %d bytes of %d were taken, then: %v", n, len(b), err)
	}
	return p
}

// SendEach sends b in as many segments as it has bytes.
func (p *Peer) SendEach(b string) *Peer {
	p.tb.Helper()
	for i := range len(b) {
		p.Send(b[i : i+1])
	}
	return p
}

// Expect reads exactly as many bytes as want has, and fails where they differ.
func (p *Peer) Expect(want string) *Peer {
	p.tb.Helper()
	got := make([]byte, len(want))
	p.conn.SetReadDeadline(time.Now().Add(stepLimit))
	if n, err := io.ReadFull(p.conn, got); err != nil {
		p.fail("got %q then %v, want %q", clip(got[:n]), err, clip([]byte(want)))
	}
	if !bytes.Equal(got, []byte(want)) {
		p.fail("got %q, want %q", clip(got), clip([]byte(want)))
	}
	return p
}

// Receive reads n bytes and returns them.
func (p *Peer) Receive(n int) []byte {
	p.tb.Helper()
	got := make([]byte, n)
	p.conn.SetReadDeadline(time.Now().Add(stepLimit))
	if m, err := io.ReadFull(p.conn, got); err != nil {
		p.fail("got %q then %v, want %d bytes", clip(got[:m]), err, n)
	}
	return got
}

// ReceiveAll reads until the other side's FIN and returns what came.
func (p *Peer) ReceiveAll() []byte {
	p.tb.Helper()
	p.conn.SetReadDeadline(time.Now().Add(stepLimit))
	got, err := io.ReadAll(p.conn)
	if err != nil {
		p.fail("got %d bytes then %v, want a FIN", len(got), err)
	}
	return got
}

// CloseWrite sends a FIN: this side has said everything and still listens.
func (p *Peer) CloseWrite() *Peer {
	p.tb.Helper()
	if err := p.conn.CloseWrite(); err != nil {
		p.fail("send FIN: %v", err)
	}
	return p
}

// Reset closes the connection with a reset, dropping what was not sent yet, and without a word of TLS. A UNIX socket
// has no reset: its other end sees one only when it sent bytes that were not read.
func (p *Peer) Reset() {
	p.tb.Helper()
	if err := reset(p.below()); err != nil {
		p.fail("close: %v", err)
	}
}

func reset(c io.Closer) error {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	return c.Close()
}

// Close closes both directions. The kernel makes that a reset when there are bytes that were not read.
func (p *Peer) Close() {
	p.tb.Helper()
	if err := p.conn.Close(); err != nil {
		p.fail("close: %v", err)
	}
}

// ExpectEOF reads, and fails unless a FIN comes with no byte before it.
func (p *Peer) ExpectEOF() *Peer {
	p.tb.Helper()
	if got, err := p.end(); len(got) > 0 || err != io.EOF {
		p.fail("got %q and %v, want a FIN", clip(got), err)
	}
	return p
}

// ExpectReset reads, and fails unless a reset comes with no byte before it.
func (p *Peer) ExpectReset() {
	p.tb.Helper()
	if got, err := p.end(); len(got) > 0 || !IsReset(err) {
		p.fail("got %q and %v, want a reset", clip(got), err)
	}
}

// ExpectResetSoon reads whatever comes, and fails unless a reset ends it.
func (p *Peer) ExpectResetSoon() (before []byte) {
	p.tb.Helper()
	p.conn.SetReadDeadline(time.Now().Add(stepLimit))
	before, err := io.ReadAll(p.conn)
	if !IsReset(err) {
		p.fail("got %d bytes and %v, want a reset", len(before), endOf(err))
	}
	return before
}

// end reads once: some bytes, or why there are no more.
func (p *Peer) end() ([]byte, error) {
	var b [64]byte
	p.conn.SetReadDeadline(time.Now().Add(stepLimit))
	n, err := p.conn.Read(b[:])
	return b[:n], err
}

// IsReset reports whether err is how a socket tells of a reset. It is EPIPE where a FIN had come before (tcp_reset in
// the kernel), and only on the next read or write after the bytes that arrived in time.
func IsReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// endOf names the end that io.ReadAll hides.
func endOf(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

// Beside runs steps on another goroutine, so that p can send and receive at once; wait returns when they have ended.
func (p *Peer) Beside(steps func(*Peer)) (wait func()) {
	other, done := *p, make(chan struct{})
	other.fail = failOnOwnGoroutine(p.tb, func() bool { return false })
	if p.ended != nil {
		other.fail = p.fail
	}
	go func() {
		defer close(done)
		steps(&other)
	}()
	return func() { <-done }
}

// Ended is closed when the Backend that this Peer is a connection of ends. A script that waits for something of its own
// waits for this too.
func (p *Peer) Ended() <-chan struct{} { return p.ended }

// Addr returns this side's address.
func (p *Peer) Addr() net.Addr { return p.conn.LocalAddr() }

// Remote returns the other side's address.
func (p *Peer) Remote() net.Addr { return p.conn.RemoteAddr() }

// Conn returns the connection itself, for what no step does. The Peer still owns it.
func (p *Peer) Conn() net.Conn { return p.conn }

// clip shortens b to what a failure message can carry.
func clip(b []byte) []byte {
	const most = 120
	if len(b) <= most {
		return b
	}
	return append(b[:most:most], "…"...)
}

// failOnOwnGoroutine returns what a Peer on a goroutine that is not the test's calls to fail: testing.TB's Fatalf must
// not be called there.
func failOnOwnGoroutine(tb testing.TB, quiet func() bool) func(string, ...any) {
	return func(format string, args ...any) {
		tb.Helper()
		if !quiet() {
			tb.Errorf(format, args...)
		}
		runtime.Goexit()
	}
}
