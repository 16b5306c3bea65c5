package l4

import (
	"time"

	"golang.org/x/sys/unix"
)

// inherit sets on a listening socket what every connection accepted from it will have.
func (s *Server) inherit(ln *listener) {
	if ln.unix {
		return
	}
	setInt(ln.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	ln.keepsOutOfLine = keepInLine(ln.fd) != 0
	s.guard(&side{fd: ln.fd, tcp: true})
}

// Keep-alive probes begin after KeepAlive of silence; keepProbes of them are sent, at intervals of a keepShare of it.
const (
	keepProbes = 3
	keepShare  = 4
)

// guard has the kernel notice a peer that has died: one that stops acknowledging, and one that is merely silent.
func (s *Server) guard(e *side) {
	if !e.tcp || !e.open() {
		return
	}
	if s.UserTimeout > 0 {
		setInt(e.fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(s.UserTimeout/time.Millisecond))
	}
	if s.KeepAlive > 0 {
		setInt(e.fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
		setInt(e.fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, max(int(s.KeepAlive/time.Second), 1))
		setInt(e.fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, max(int(s.KeepAlive/time.Second/keepShare), 1))
		setInt(e.fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepProbes)
	}
}
