package l4

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Urgent data (RFC 9293, section 3.8.5; RFC 6093) is a byte with a mark in the stream. A relay that copies must find
// the mark and set it again at the same place: Linux keeps the byte out of what read(2) returns unless the application
// asks otherwise, so a receiver may get a byte too few or too many. What the kernel does with a TCP socket
// (tcp_recvmsg_locked, tcp_read_sock and tcp_check_urg of Linux):
//
//   - There is one mark. The next one takes its place. Out of line, the earlier byte then becomes part of the stream
//     or, where the reader stood at its mark, is dropped. So the byte is kept in line (SO_OOBINLINE), and none can be
//     lost.
//   - recv(2) stops in front of a mark. It does not stop at a mark that it stands at: it reads that byte and those
//     behind it as ordinary ones.
//   - splice(2) stops in front of a mark and at one. At a mark it finds nothing, though bytes are there: it returns
//     EAGAIN, or 0 where FIN stands behind, or the error of a reset. So an end that splice(2) reports is not believed:
//     the next recv(2) tells.
//   - A mark may be announced before its byte. It never moves to a byte that has come already. So where bytes are there
//     (SIOCINQ) and the first of them is not at a mark (SIOCATMARK, asked later), recv(2) passes no mark.
//   - EPOLLPRI tells of a mark whose byte has come and was not read. An event without it tells that the first byte is
//     ordinary, as long as nothing was read since the kernel gave the event.
//
// So a read that follows such an event needs no question, and nearly all reads do. The first read of a connection asks,
// and so does a read behind one that filled its buffer. Once a side has announced urgent data its flow is no longer
// spliced, and each read goes on until nothing is left.
//
// TLS knows no urgent data. A byte that somebody on the way has declared urgent is not what the peer has said: over TLS
// the kernel keeps it out of line, where nobody reads it. UNIX sockets have urgent data since Linux 5.15.

// A next is what stands first in a side's socket.
type next uint8

const (
	ordinary   next = iota // bytes, the end, or an error
	urgentByte             // the byte at a mark
	noByte                 // the socket is dry
)

// next returns what a read would begin with.
func (e *side) next() next {
	if e.told || e.layer != nil {
		return ordinary
	}
	if !e.tcp {
		if e.urgent && atMark(e.fd) {
			keepInLine(e.fd)
			return urgentByte
		}
		return ordinary
	}
	n := unread(e.fd)
	if n == 0 && e.urgent && atMark(e.fd) {
		keepInLine(e.fd) // for a connection that was made before its listening socket was ours
		n = unread(e.fd)
	}
	switch {
	case n == 0 && !e.hungUp: // later bytes are a new edge; behind a FIN or a reset no bytes come
		e.readable = false
		return noByte
	case atMark(e.fd):
		return urgentByte
	}
	return ordinary
}

// passUrgent hands the byte that stood at a mark to dst, with its mark.
func (s *session) passUrgent(f *flow, dst *side, p []byte) {
	if f == &s.up {
		s.forget() // where in the stream it stood is not kept
	}
	n, _ := dst.sendUrgent(p)
	f.took(n)
	if n == 0 {
		f.keep(p)
		f.holding = urgent
	}
}

// sendUrgent writes one byte of urgent data, or an ordinary one where the socket has no urgent data.
func (e *side) sendUrgent(p []byte) (int, syscall.Errno) {
	if e.layer != nil {
		return e.send(p)
	}
	n, errno := send(e.fd, p, unix.MSG_OOB)
	if errno == unix.EOPNOTSUPP { // unix(7): a UNIX socket of a kernel without AF_UNIX_OOB
		return e.transmit(p, 0)
	}
	return e.sent(asResult(n, errno), len(p)), errno
}

// keepInLine has a socket's urgent data stay in its stream (socket(7), SO_OOBINLINE). What is accepted from a listening
// socket inherits it.
func keepInLine(fd int32) syscall.Errno { return setInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1) }

// keepOutOfLine has the kernel take urgent data out of the stream, for TLS, which knows none.
func keepOutOfLine(fd int32) { setInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 0) }
