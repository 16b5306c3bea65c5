package l4test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// A secured is a stream under TLS. What it calls the end of the stream is close_notify and the FIN behind it: a FIN
// alone is io.ErrUnexpectedEOF (RFC 8446, section 6.1), and close_notify alone no end.
type secured struct {
	*tls.Conn
	below *wire
}

// A wire is a stream that knows whether its end was read. crypto/tls takes a FIN for close_notify where no record is
// cut.
type wire struct {
	stream
	ended bool
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.stream.Read(b)
	w.ended = err == io.EOF
	return n, err
}

func (s *secured) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if err != io.EOF {
		return n, err
	}
	if s.below.ended {
		return n, io.ErrUnexpectedEOF
	}
	if _, err := s.below.Read(make([]byte, 1)); err != io.EOF {
		return n, fmt.Errorf("after close_notify: %w", err)
	}
	return n, io.EOF
}

// CloseWrite sends close_notify and the FIN.
func (s *secured) CloseWrite() error { return errors.Join(s.Conn.CloseWrite(), s.below.CloseWrite()) }

func (s *secured) SyscallConn() (syscall.RawConn, error) { return s.below.SyscallConn() }

// DialTLS connects to addr and does a handshake as client.
func DialTLS(tb testing.TB, addr string, config *tls.Config) *Peer {
	tb.Helper()
	return Dial(tb, addr).Secure(tls.Client, config)
}

// TryDialTLS is DialTLS for a handshake that may fail: the error is its.
func TryDialTLS(tb testing.TB, addr string, config *tls.Config) (*Peer, error) {
	tb.Helper()
	p := Dial(tb, addr)
	return p, p.TrySecure(tls.Client, config)
}

// ServeTLS is Serve with a handshake as server before the script, and close_notify after it. A handshake that fails
// ends the connection and is the client's to judge.
func ServeTLS(tb testing.TB, config *tls.Config, script func(*Peer)) *Backend {
	tb.Helper()
	return Serve(tb, func(p *Peer) {
		if p.TrySecure(tls.Server, config) == nil {
			defer p.conn.Close()
			script(p)
		}
	})
}

// Secure does a handshake, as tls.Client or tls.Server says. From then on the steps are about what is in TLS: ExpectEOF
// wants close_notify and a FIN, CloseWrite sends both, and Truncate the FIN alone.
func (p *Peer) Secure(as func(net.Conn, *tls.Config) *tls.Conn, config *tls.Config) *Peer {
	p.tb.Helper()
	if err := p.TrySecure(as, config); err != nil {
		p.fail("handshake: %v", err)
	}
	return p
}

// TrySecure is Secure for a handshake that may fail.
func (p *Peer) TrySecure(as func(net.Conn, *tls.Config) *tls.Conn, config *tls.Config) error {
	below := &wire{stream: p.conn}
	conn := as(below, config)
	ctx, cancel := context.WithTimeout(context.Background(), stepLimit)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	p.conn = &secured{conn, below}
	return nil
}

// TLS returns what the handshake agreed on; the zero value where there was none.
func (p *Peer) TLS() tls.ConnectionState {
	if s, ok := p.conn.(*secured); ok {
		return s.ConnectionState()
	}
	return tls.ConnectionState{}
}

// below is the connection itself, under TLS where there is any.
func (p *Peer) below() stream {
	if s, ok := p.conn.(*secured); ok {
		return s.below.stream
	}
	return p.conn
}

// Truncate sends a FIN without the close_notify that belongs before it.
func (p *Peer) Truncate() *Peer {
	p.tb.Helper()
	if err := p.below().CloseWrite(); err != nil {
		p.fail("send FIN: %v", err)
	}
	return p
}

// ExpectTruncation fails unless the next thing that comes is a FIN without the close_notify that belongs before it.
func (p *Peer) ExpectTruncation() *Peer {
	p.tb.Helper()
	if got, err := p.end(); len(got) > 0 || err != io.ErrUnexpectedEOF {
		p.fail("got %q and %v, want a FIN without close_notify", clip(got), err)
	}
	return p
}

// SendBelow sends b as it is, under TLS.
func (p *Peer) SendBelow(b string) *Peer {
	p.tb.Helper()
	p.below().SetWriteDeadline(time.Now().Add(stepLimit))
	if _, err := p.below().Write([]byte(b)); err != nil {
		p.fail("send: %v", err)
	}
	return p
}
