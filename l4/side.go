package l4

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// A side is one end of a session: a stream socket and what is known of it. Bytes go through its methods, except where a
// stage splices, peeks or takes an urgent byte.
//
// Readiness is edge-triggered: an event raises a flag, and the system call that finds nothing more lowers it.
type side struct {
	fd        int32
	readable  bool // a read may find something
	writable  bool // a write may be taken
	hungUp    bool // the peer has sent FIN or RST: reads go on until it is found
	fin       bool // FIN, and no RST, stands behind what can be read
	ended     bool // the end of the stream has been read
	urgent    bool // urgent data was announced, so a short read need not mean an empty socket
	told      bool // an event has told that ordinary bytes come next, and nothing was read since
	watched   bool // registered with the loop
	enrolled  bool // its socket is registered with the loop, for a session that had it before
	ipv6      bool
	watchesTx bool // registered for EPOLLOUT too
	shut      bool // our FIN has been sent
	local     bool // a UNIX socket, or TCP over loopback: connects at once
	tcp       bool
	posted    bool   // the last bytes for it stand in the loop's outbox
	unpaced   bool   // sends without pacing: see unpace
	uptake    uptake // what the last look at its peer found
	number    uint8  // which of its session's sockets it is, in events
	fault     uint16 // the errno of a broken connection, else 0; narrow, so that a session stays small
	layer     *layer // the TLS that is spoken over the socket, nil where none is
}

// noSide is a side without a socket.
func noSide() side { return side{fd: -1} }

func (e *side) open() bool { return e.fd >= 0 }

// closed reports whether a TCP connection is over, so that an error may be the last that it reports.
func (e *side) closed() bool {
	const tcpClose = 7 // TCP_CLOSE of linux/tcp_states.h
	var info unix.TCPInfo
	return e.tcp && tcpInfo(e.fd, &info) && info.State == tcpClose
}

// broken reports whether the connection was reset or lost.
func (e *side) broken() bool { return e.fault != 0 }

// watched is what a socket is registered for. EPOLLOUT is left out until a write was refused once: most sockets never
// fill, and asking for it would report each of them writable on registration, which costs a short session a turn of the
// loop for each side.
const watched = unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLRDHUP | unix.EPOLLET

// note takes an event in.
func (e *side) note(events uint32) {
	if events&unix.EPOLLIN != 0 {
		e.readable, e.told = true, true
	}
	if events&unix.EPOLLOUT != 0 {
		e.writable = true
	}
	if events&unix.EPOLLPRI != 0 {
		e.readable, e.urgent, e.told = true, true, false
	}
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		e.readable, e.hungUp = true, true
		e.fin = events&(unix.EPOLLHUP|unix.EPOLLERR) == 0
	}
	if events&unix.EPOLLERR != 0 {
		// Asked for at once, as it may be that nobody reads or writes here any more.
		if errno := socketError(e.fd); errno != 0 {
			e.breakDown(errno)
		}
	}
}

// recv reads into p. It returns EAGAIN when there is nothing now. At the end of the stream it raises ended, with the
// last bytes or with none.
func (e *side) recv(p []byte) (int, syscall.Errno) {
	if e.layer != nil {
		return e.layer.recv(e, p)
	}
	return e.receive(p)
}

// receive is recv for the socket itself.
func (e *side) receive(p []byte) (int, syscall.Errno) {
	n, errno := recv(e.fd, p)
	e.told = false
	switch {
	case errno == unix.EAGAIN:
		e.readable = false
	case errno != 0:
		e.breakDown(errno)
		e.readable = false
	case n == 0:
		e.readable, e.ended = false, true
	case n == len(p) || e.urgent:
		// There may be more: reads stop short at an urgent mark, too.
	case e.fin:
		e.readable, e.ended = false, true // the read fell short of the buffer, so it was all, and FIN comes next
	case !e.hungUp && e.tcp:
		// epoll(7), question 9: a short read from a stream means that it is drained; what comes later is a new edge. A
		// FIN or a reset has raised hungUp by then or will be that edge. UNIX sockets differ: there reads stop short at
		// passed descriptors as well.
		e.readable = false
	}
	return n, errno
}

// cost is what a read of n bytes counts for in a turn. Over TLS one read may have been as much work as many, and more
// where much stood between the bytes.
func (e *side) cost(n int) int {
	if e.layer == nil {
		return n
	}
	return max(n, readSize, int(e.layer.spent*turnBytes/turnTime))
}

// heavy reports whether what came from e was much work the last time.
func (e *side) heavy() bool { return e.layer != nil && e.layer.heavy }

// send writes p and returns how much was taken. The rest waits for writable.
func (e *side) send(p []byte) (int, syscall.Errno) { return e.write(p, 0) }

// sendLast writes the last bytes of a stream: closeWrite or close must follow, and FIN goes out in the same segment.
func (e *side) sendLast(p []byte) (int, syscall.Errno) { return e.write(p, unix.MSG_MORE) }

func (e *side) write(p []byte, flags int) (int, syscall.Errno) {
	if e.layer != nil {
		return e.layer.send(e, p, flags)
	}
	return e.transmit(p, flags)
}

// transmit is write for the socket itself.
func (e *side) transmit(p []byte, flags int) (int, syscall.Errno) {
	n, errno := send(e.fd, p, flags)
	n = e.sent(asResult(n, errno), len(p))
	if errno == unix.EAGAIN {
		errno = 0
	}
	return n, errno
}

// breakDown records that the connection is lost. The first call that finds a reset takes the error away from the later
// ones (socket(7), SO_ERROR), and reads then see a clean end. So the first record stays. What the peer sent before can
// still be read.
func (e *side) breakDown(errno syscall.Errno) {
	if e.fault == 0 {
		e.fault = uint16(errno)
	}
	e.readable, e.hungUp, e.fin, e.writable = true, true, false, false
}

// flush hands the socket what the layer holds.
func (e *side) flush() {
	if e.layer != nil {
		e.layer.flush(e)
	}
}

// waiting reports whether the layer holds bytes for the socket.
func (e *side) waiting() bool { return e.layer != nil && len(e.layer.held) > 0 }

// cut reports whether FIN ended the stream without close_notify, and was taken for the end.
func (e *side) cut() bool { return e.layer != nil && e.layer.cut }

// part has the layer say what it must say before FIN, and reports whether the socket has taken it.
func (e *side) part() bool { return e.layer == nil || e.layer.part(e) }

// closeWrite sends FIN as soon as it can.
func (e *side) closeWrite() {
	if e.shut || e.broken() || !e.part() {
		return
	}
	e.shut = true
	if errno := shutdownWrite(e.fd); errno != 0 {
		e.breakDown(errno)
	}
}

// discard throws away what the peer has sent meanwhile. If it were unread on closing, the kernel would send RST and
// drop what is queued.
func (e *side) discard(scratch []byte) {
	for range lastReads {
		if n, _ := recv(e.fd, scratch); n <= 0 {
			return
		}
	}
}

// lastReads is how often discard reads.
const lastReads = 8

// unacknowledged returns how many bytes are held for the peer, by the kernel and by the layer.
func (e *side) unacknowledged() int {
	n := 0
	if e.layer != nil {
		n = len(e.layer.held)
	}
	if e.open() && e.tcp {
		n += unacknowledged(e.fd)
	}
	return n
}
