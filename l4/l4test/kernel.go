package l4test

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// SendUrgent sends one byte of urgent data (RFC 9293, 3.8.5).
func (p *Peer) SendUrgent(b byte) *Peer {
	p.tb.Helper()
	p.control("send urgent data", func(fd int) error { return unix.Sendto(fd, []byte{b}, unix.MSG_OOB, nil) })
	return p
}

// AwaitAcked returns when the other side's kernel has acknowledged everything that was sent (tcp(7), SIOCOUTQ).
func (p *Peer) AwaitAcked() *Peer {
	p.tb.Helper()
	deadline := time.Now().Add(stepLimit)
	for p.unacked() > 0 {
		if time.Now().After(deadline) {
			p.fail("%d bytes were never acknowledged", p.unacked())
		}
		pause()
	}
	return p
}

func (p *Peer) unacked() int {
	var n int
	p.control("ask for unacknowledged bytes", func(fd int) (err error) { n, err = unix.IoctlGetInt(fd, unix.TIOCOUTQ); return err })
	return n
}

// Unread returns how many bytes have come and were not read yet.
func (p *Peer) Unread() int {
	p.tb.Helper()
	var n int
	p.control("ask for unread bytes", func(fd int) (err error) { n, err = unix.IoctlGetInt(fd, unix.TIOCINQ); return err })
	return n
}

// SetBuffers makes the kernel keep few bytes for this connection in either direction, so that it fills soon.
func (p *Peer) SetBuffers(bytes int) *Peer {
	p.tb.Helper()
	p.control("set buffers", func(fd int) error {
		return errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes), unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes))
	})
	return p
}

// control calls f with the connection's descriptor.
func (p *Peer) control(act string, f func(fd int) error) {
	p.tb.Helper()
	raw, err := p.conn.SyscallConn()
	if err != nil {
		p.fail("%s: %v", act, err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil || failed != nil {
		p.fail("%s: %v", act, errors.Join(err, failed))
	}
}
