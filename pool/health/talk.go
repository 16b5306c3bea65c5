package health

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"
)

// A talk is one connection of a probe, with its transcript. Its context ends every wait.
type talk struct {
	ctx     context.Context
	raw     net.Conn // the socket
	conn    net.Conn // raw, or TLS over it
	said    transcript
	pending []byte // bytes that were read and not used yet
	read    int    // bytes read in all
	goodbye bool   // the protocol's own end was sent, so that the server closes first
}

// maxAnswer is the most bytes that a server may send before the verdict.
const maxAnswer = 64 << 10

var errTooLong = fmt.Errorf("the server said more than %d KiB", maxAnswer>>10)

// interrupt ends whatever the talk waits for, once its context is done.
func (c *talk) interrupt() { c.raw.SetDeadline(time.Unix(1, 0)) }

// begin sends the header, and speaks TLS where it is wanted.
func (c *talk) begin(h Header, secure *tls.Config) error {
	if h != NoHeader {
		if err := c.send(h.bytes()); err != nil {
			return err
		}
	}
	if secure == nil {
		return nil
	}
	conn := tls.Client(c.raw, secure)
	if err := conn.HandshakeContext(c.ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", plain(c.ctx, err))
	}
	c.conn = conn
	state := conn.ConnectionState()
	c.said.remark("%s with %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
	return nil
}

// send sends b, all of it.
func (c *talk) send(b string) error {
	n, err := io.WriteString(c.conn, b)
	c.said.pass("sent", []byte(b[:n]))
	if err != nil {
		return fmt.Errorf("send: %w", plain(c.ctx, err))
	}
	return nil
}

// Read reads what the server says, at most maxAnswer bytes in all.
func (c *talk) Read(b []byte) (int, error) {
	if len(c.pending) > 0 {
		n := copy(b, c.pending)
		c.pending = c.pending[n:]
		return n, nil
	}
	if c.read == maxAnswer {
		return 0, errTooLong
	}
	n, err := c.conn.Read(b[:min(len(b), maxAnswer-c.read)])
	c.read += n
	c.said.pass("got", b[:n])
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// more reads once and adds it to pending.
func (c *talk) more() error {
	var b [4 << 10]byte
	held := c.pending
	c.pending = nil
	n, err := c.Read(b[:])
	c.pending = append(held, b[:n]...)
	return err
}

// await reads until found says how many of the bytes so far belong to the answer, and returns these. found returns 0
// while there are too few.
func (c *talk) await(found func(b []byte) int) ([]byte, error) {
	for {
		if n := found(c.pending); n > 0 {
			b := c.pending[:n:n]
			c.pending = c.pending[n:]
			return b, nil
		}
		if err := c.more(); err != nil {
			return nil, plain(c.ctx, err)
		}
	}
}

// line reads a line, and returns it without its end.
func (c *talk) line() (string, error) {
	b, err := c.await(func(b []byte) int { return bytes.IndexByte(b, '\n') + 1 })
	return string(bytes.TrimRight(b, "\r\n")), err
}

// next reads n bytes, at least 1.
func (c *talk) next(n int) ([]byte, error) {
	return c.await(func(b []byte) int {
		if len(b) < n {
			return 0
		}
		return n
	})
}

// leave ends the connection so that the server sees nothing unusual. Where the protocol's own end was sent, the server
// closes first. Else this side sends FIN, or close_notify and FIN. In either case it reads everything that is still on
// its way before it closes the socket: with bytes left unread the close would be a reset, which servers log.
func (c *talk) leave() {
	if c.ctx.Err() != nil {
		return
	}
	if !c.goodbye {
		c.closeWrite()
	}
	c.raw.SetReadDeadline(time.Now().Add(leaveWithin))
	if c.ctx.Err() != nil {
		return // it ended between the two, and interrupt's deadline was overwritten
	}
	io.CopyN(io.Discard, c.raw, leaveBytes)
}

// closeWrite tells the server that nothing more will come. Where that fails, the server has closed already.
func (c *talk) closeWrite() {
	if secure, ok := c.conn.(*tls.Conn); ok {
		secure.CloseWrite()
	}
	if socket, ok := c.raw.(interface{ CloseWrite() error }); ok {
		socket.CloseWrite()
	}
}
