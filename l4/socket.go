package l4

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socket costs a file, an inode and a place in the epoll instance. They are made for each connection to a backend and
// thrown away with it: a tenth of the processor time of a short session. A loop that is busy keeps some sockets whose
// connections have ended, and connects them anew: connect(2) to AF_UNSPEC takes a TCP socket back to the state in which
// socket(2) left it.
//
// A socket is kept only if it is over loopback, both ends were closed cleanly and acknowledged, and nothing was set on
// it that the next session must not have.

// sockets is a loop's stock of such sockets. They stay registered with the loop's poller, for sessions that are gone.
type sockets struct {
	idle [2][]released // IPv4, IPv6
	most int           // of both together
}

// of returns those of a family.
func (k *sockets) of(family int) *[]released {
	if family == unix.AF_INET6 {
		return &k.idle[1]
	}
	return &k.idle[0]
}

// borrow returns a socket that can be connected, false where there is none.
func (k *sockets) borrow(family int) (fd int32, ok bool) {
	of := k.of(family)
	n := len(*of)
	if family == unix.AF_UNIX || n == 0 {
		return -1, false
	}
	fd = (*of)[n-1].fd
	*of = (*of)[:n-1]
	return fd, true
}

// keep takes the socket of a connection that is over. It reports false where the caller must close it.
func (k *sockets) keep(d released, family int) bool {
	if len(k.idle[0])+len(k.idle[1]) >= k.most || disconnect(d.fd) != 0 {
		return false
	}
	of := k.of(family)
	*of = append(*of, d)
	return true
}

// close closes what is in stock.
func (k *sockets) close() {
	for i := range k.idle {
		for _, d := range k.idle[i] {
			d.close()
		}
		k.idle[i] = k.idle[i][:0]
	}
}

// disconnect dissolves a TCP connection that is over (connect(2), AF_UNSPEC).
func disconnect(fd int32) syscall.Errno {
	var none unix.RawSockaddr // AF_UNSPEC
	_, _, e := syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&none)),
		unix.SizeofSockaddrInet4)
	return e
}

// reusable reports whether e's socket can be kept: the backend has closed its end, or a disconnect would be a reset,
// and nothing was set on the socket for this session. Buffers that have grown, congestion control and timers stay with
// a socket.
func (s *session) reusable(e *side) bool {
	return s.down.finished && e.tcp && e.local && !e.broken() && e.layer == nil && !e.unpaced && !s.guarded &&
		len(s.loop.server.Sources) == 0
}

// family returns the address family of a TCP socket.
func (e *side) family() int {
	if e.ipv6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}
