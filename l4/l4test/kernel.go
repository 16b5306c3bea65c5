package l4test

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// SendUrgent sends one byte of urgent data (RFC 9293, 3.8.5).
func (p *Peer) SendUrgent(b byte) *Peer {
	p.tb.Helper()
	p.conn.SetWriteDeadline(time.Now().Add(stepLimit))
	if err := p.TrySendUrgent(b); err != nil {
		p.fail("send urgent data: %v", err)
	}
	return p
}

// TrySendUrgent is SendUrgent on a connection that may have ended. It waits for as long as the Conn's write deadline
// says.
func (p *Peer) TrySendUrgent(b byte) error {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		failed = unix.Sendto(int(fd), []byte{b}, unix.MSG_OOB|unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
		return failed != unix.EAGAIN
	})
	return errors.Join(err, failed)
}

// AwaitAcked returns when the other side's kernel has acknowledged everything that was sent (tcp(7), SIOCOUTQ).
func (p *Peer) AwaitAcked() *Peer {
	p.tb.Helper()
	deadline := time.Now().Add(stepLimit)
	for p.Unacked() > 0 {
		if time.Now().After(deadline) {
			p.fail("%d bytes were never acknowledged", p.Unacked())
		}
		pause()
	}
	return p
}

// Unacked returns how many sent bytes the other side's kernel has not acknowledged (tcp(7), SIOCOUTQ).
func (p *Peer) Unacked() int {
	var n int
	p.control("ask for unacknowledged bytes",
		func(fd int) (err error) { n, err = unix.IoctlGetInt(fd, unix.TIOCOUTQ); return err })
	return n
}

// Vanish has the kernel drop every segment that comes for this peer, unseen and unanswered, as if its machine were gone
// (socket(7), SO_ATTACH_FILTER).
func (p *Peer) Vanish() {
	p.tb.Helper()
	dropAll := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	p.control("vanish", func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: 1, Filter: &dropAll[0]})
	})
}

// ExpectResetAfterEOF waits until a connection whose FIN was read already is taken down by a reset. Reading would not
// tell: the kernel goes on to answer with the end of the stream.
func (p *Peer) ExpectResetAfterEOF() {
	p.tb.Helper()
	const closed = 7 // TCP_CLOSE
	var info *unix.TCPInfo
	for deadline := time.Now().Add(stepLimit); ; pause() {
		p.control("ask for the state", func(fd int) (err error) {
			info, err = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
			return err
		})
		if info.State == closed {
			break
		}
		if time.Now().After(deadline) {
			p.fail("the connection still stands, in state %d, want a reset", info.State)
		}
	}
	var code int
	p.control("ask for the error", func(fd int) (err error) {
		code, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		return err
	})
	if !IsReset(unix.Errno(code)) {
		p.fail("the connection ended with error %d, want a reset", code)
	}
}

// Unread returns how many bytes have come and were not read yet.
func (p *Peer) Unread() int {
	p.tb.Helper()
	var n int
	p.control("ask for unread bytes",
		func(fd int) (err error) { n, err = unix.IoctlGetInt(fd, unix.TIOCINQ); return err })
	return n
}

// SetSendBuffer bounds what the kernel keeps of what was sent and not acknowledged (socket(7): it doubles the number).
func (p *Peer) SetSendBuffer(bytes int) *Peer {
	p.tb.Helper()
	p.control("set the send buffer",
		func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes) })
	return p
}

// SetReceiveBuffer bounds what the kernel keeps of what came and was not read, and so the window that the other side
// sees. Nothing may be under way: see DialNarrow.
func (p *Peer) SetReceiveBuffer(bytes int) *Peer {
	p.tb.Helper()
	p.control("set the receive buffer",
		func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes) })
	return p
}

// A preparation is what package net does to a socket before it is bound or connected.
type preparation = func(network, address string, raw syscall.RawConn) error

// narrow bounds what the kernel keeps of what came and was not read, and so the window that the other side sees.
// Accepted connections inherit it.
func narrow(bytes int) preparation {
	return func(_, _ string, raw syscall.RawConn) (err error) {
		failed := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
		})
		return errors.Join(failed, err)
	}
}

// abrupt has a socket be reset when it is closed (socket(7), SO_LINGER). Accepted connections inherit it.
func abrupt(_, _ string, raw syscall.RawConn) (err error) {
	failed := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	})
	return errors.Join(failed, err)
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
