package l4

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// readSize is how much one read asks for. Larger reads would save calls for bulk alone, which is spliced where
	// possible. And what is kept for a stalled sink is at most this.
	readSize = 16 << 10
	// bulkSize is how much one read asks for where bulk can't be spliced, because of TLS: four records, which leave in
	// one segment.
	bulkSize = 64 << 10
	// bulkReads is how many reads in a row must fill the buffer before a flow is taken for bulk: 64 KiB, about where
	// two splices cost less than a read and a write of the same bytes.
	bulkReads = 4
	// turnBytes is what one direction may move before the loop looks at other sessions, and what one splice asks for: a
	// pipe's fill, some 300 µs of a processor. A quarter of it cost a third more per byte, in wake-ups of the receiver.
	turnBytes   = 1 << 20
	spliceBytes = pipeSize
	// turnTime bounds what one direction may compute in a turn, over TLS. A turn's bytes take no longer there.
	turnTime = int64(time.Millisecond)
	// heavyBytes is how much of a turn a session must use to go behind the others the next time, of whatever kind it
	// is.
	heavyBytes = turnBytes / 4
	// guardAfter is the age at which a session's kernel timers against dead peers are set. Most sessions end before,
	// and each option is a system call.
	guardAfter = int64(5 * time.Second)
)

// relay moves bytes both ways and forwards the end of each.
func (s *session) relay() (stage, Cause) {
	s.client.flush()
	s.backend.flush()
	more := s.pump(&s.up, &s.client, &s.backend)
	more = s.pump(&s.down, &s.backend, &s.client) || more
	switch {
	case s.answered:
	case s.down.read > 0:
		s.hearAnswer()
	case s.died():
		return s.replay()
	}
	if s.broken() { // before any end is forwarded, as a reset must not look like one
		return delivering, CauseNone
	}
	s.endFlow(&s.up, clientEnd, &s.backend)
	s.endFlow(&s.down, backendEnd, &s.client)
	if s.up.finished && s.down.finished && s.client.part() && s.backend.part() {
		return s.part()
	}
	s.forwardFIN()
	switch {
	case !s.broken():
	case s.died():
		return s.replay()
	default:
		return delivering, CauseNone
	}
	if more {
		s.loop.again(s)
	}
	return relaying, s.expired()
}

// hearAnswer takes in the backend's first byte. The time that it waited for bandwidth is not counted against the
// backend.
func (s *session) hearAnswer() {
	s.answered, s.firstByte = true, s.loop.now
	if m := s.meter(); m != nil && m.down.heard != 0 {
		s.firstByte = m.down.heard
	}
	s.lease.FirstByte(durationOf(s.firstByte - s.connected))
	s.forget()
}

// broken reports whether a side is lost, and remembers which. From then on the time for delivering runs.
func (s *session) broken() bool {
	switch {
	case s.client.broken():
		s.lost = clientEnd
	case s.backend.broken():
		s.lost = backendEnd
	default:
		return false
	}
	s.moved = s.loop.now
	return true
}

// endFlow finishes a flow whose source has ended and whose bytes are all handed over.
func (s *session) endFlow(f *flow, source end, dst *side) {
	if f.finished || !f.ended || f.waiting() || dst.waiting() {
		return
	}
	f.finished, s.moved = true, s.loop.now
	if s.first == neither {
		s.first = source
	}
	if source == backendEnd && s.backend.cut() {
		dst.layer.mute() // close_notify would say that what may have been cut is whole
	}
}

// forwardFIN sends FIN on for each flow that has finished (RFC 9293, section 3.6.1). Where both have, closing the
// sockets says the same with fewer calls, and forwardFIN is not called.
func (s *session) forwardFIN() {
	if s.up.finished {
		s.backend.closeWrite()
	}
	if s.down.finished {
		s.client.closeWrite()
	}
}

// closedBy returns the cause of a session in which both sides have finished.
func (s *session) closedBy() Cause {
	switch {
	case s.first == ownEnd:
		return s.trace.concluded
	case s.backend.cut():
		return BackendTruncated
	case s.first == clientEnd:
		return ClientClosed
	}
	return BackendClosed
}

// expired looks at the clock: it ends a session that is over a limit, and has the kernel guard one that has grown old.
func (s *session) expired() Cause {
	now := s.loop.now
	switch {
	case now < s.stillUntil():
	case s.drains():
	case s.up.finished || s.down.finished:
		return HalfClosed
	default:
		return Idle
	}
	if !s.guarded && now >= s.connected+guardAfter {
		s.guarded = true
		s.loop.server.guard(&s.backend)
		s.lookAtPeers() // a peer may have paused all the time
	}
	return s.tooSlow()
}

// pump moves bytes from src to dst until src is dry, dst is full, the flow has ended, or its share of the turn is
// spent. It reports whether there is more to do right away.
func (s *session) pump(f *flow, src, dst *side) (more bool) {
	left, more := s.pumpWithin(turnBytes, f, src, dst)
	if src.layer != nil {
		src.layer.heavy = left <= turnBytes-heavyBytes
	}
	return more
}

// pumpWithin is pump with a share of budget, and returns what is left of it.
func (s *session) pumpWithin(budget int, f *flow, src, dst *side) (left int, more bool) {
	for budget > 0 {
		if f.waiting() {
			s.flush(f, dst)
			if f.waiting() {
				return budget, false
			}
		}
		if f.ended || !src.readable || !dst.writable {
			return budget, false
		}
		n, may := s.moveWithin(f, src, dst)
		if !may {
			return budget, false
		}
		budget -= n
	}
	return budget, true
}

// move takes what one read gives, most bytes of it, and passes it on.
func (s *session) move(f *flow, src, dst *side, most int) int {
	size := readSize
	if src.urgent {
		s.unsplice(f) // others can use it
	}
	switch {
	case f.full < bulkReads || src.urgent || most < bulkSize:
	case src.layer != nil || dst.layer != nil || f == &s.up && s.rehearses():
		size = bulkSize
		s.unpace(dst)
	default:
		if n, ok := s.splice(f, src, dst, most); ok {
			return n
		}
	}
	next := ordinary
	if dst.layer == nil || src.urgent { // TLS knows no marks, so it does not matter where in the bytes one stands
		next = src.next()
	}
	switch next {
	case noByte:
		f.full = 0
		return 0
	case urgentByte:
		most = 1
	}
	buf := s.loop.buf
	if size == readSize && dst.layer == nil {
		if room := s.loop.outbox.room(); room != nil {
			buf = room
		}
	}
	buf = buf[:min(size, most)]
	n, errno := src.recv(buf)
	switch {
	case errno == unix.EAGAIN:
		f.full = 0
		return 0
	case errno != 0 || n == 0:
		f.ended = true
		return 0
	case n >= readSize:
		f.full = min(f.full+1, bulkReads)
	default:
		f.full = 0
	}
	f.read += uint64(n)
	f.ended = src.ended
	s.moved, s.spoke = s.loop.now, src.number
	if next == urgentByte {
		s.passUrgent(f, dst, buf[:n])
		return 1
	}
	if !s.answered && f == &s.up {
		s.remember(buf[:n])
	}
	if !s.post(f, src, dst, buf[:n]) {
		s.pass(f, dst, buf[:n])
	}
	return src.cost(n)
}

// post puts down for dst what was read from src, and reports whether it has. f moves nothing more in this step: nothing
// can be read behind it now.
func (s *session) post(f *flow, src, dst *side, p []byte) bool {
	box := &s.loop.outbox
	if !box.open || f.ended || src.readable {
		return false
	}
	if l := dst.layer; l != nil {
		l.poster = s
		s.pass(f, dst, p)
		l.poster = nil
		return true
	}
	if !box.put(s, dst, p) {
		return false
	}
	f.took(len(p))
	return true
}

// pass hands p to dst and keeps what dst does not take.
func (s *session) pass(f *flow, dst *side, p []byte) {
	send := dst.send
	if f.ended {
		send = dst.sendLast
	}
	n, _ := send(p)
	f.took(n)
	if n < len(p) {
		f.keep(p[n:])
	}
}

// flush hands dst what was kept for it.
func (s *session) flush(f *flow, dst *side) {
	if !dst.writable {
		return
	}
	if p := f.held; len(p) > 0 {
		send := dst.send
		if f.holding == urgent {
			send = dst.sendUrgent
		}
		n, _ := send(p)
		f.took(n)
		f.held = p[n:]
		if n > 0 {
			s.moved = s.loop.now
		}
	}
	if len(f.held) > 0 {
		return
	}
	f.held, f.holding = nil, copied
	if f.pipe != nil && f.pipe.held > 0 && dst.writable {
		s.pour(f, dst)
	}
}

// splice moves one pipe's fill, or most bytes of it, from src to dst. It reports false where the flow is to be copied
// for a while: there is no free pipe, or splice(2) found no bytes. That need not be the end: see urgent.go.
func (s *session) splice(f *flow, src, dst *side, most int) (int, bool) {
	if f.pipe == nil {
		if f.pipe = s.loop.borrowPipe(); f.pipe == nil {
			f.full = 0
			return 0, false
		}
		s.unpace(dst)
	}
	n, errno := splice(src.fd, f.pipe.w, min(spliceBytes, most))
	src.told = false
	switch {
	case errno == unix.EAGAIN:
		// The pipe is empty here, so it is the source that is dry, or stands at a mark.
		src.readable = false
		s.unsplice(f)
		return 0, true
	case errno == unix.EINVAL, errno == unix.ENOMEM: // this socket can't be spliced, or not now
	case refuses(errno) && !src.closed():
		s.loop.retirePipes(errno)
	case errno != 0:
		src.breakDown(errno) // taken from the socket by this call: what came before it can still be read
	case n > 0:
		f.pipe.held = n
		f.read += uint64(n)
		s.moved, s.spoke = s.loop.now, src.number
		s.pour(f, dst)
		if n < readSize && !f.waiting() { // no longer bulk
			f.full = 0
			s.unsplice(f)
		}
		return n, true
	}
	s.unsplice(f)
	f.full = 0
	return 0, false
}

// retirePipes has bulk copied from now on, as splice(2) is refused.
func (l *loop) retirePipes(why syscall.Errno) {
	l.pipes.retire()
	if times, due := l.server.refusals.due(l.now); due {
		l.server.log().Warn("splice(2) is refused: bulk is copied, which takes more of a processor. A filter of system calls (systemd's "+
			"SystemCallFilter=, a container's seccomp profile) or a security module is in the way", "error", why, "times", times)
	}
}

// borrowPipe returns an empty pipe, nil where there is none.
func (l *loop) borrowPipe() *pipe {
	free, dirty := l.pipes.borrow()
	if dirty > 0 {
		l.misdirected("a pipe was given back with bytes in it", nil)
	}
	return free
}

// unsplice gives the flow's empty pipe back.
func (s *session) unsplice(f *flow) {
	if f.pipe != nil {
		s.loop.pipes.giveBack(f.pipe)
		f.pipe = nil
	}
}

// pour moves what the flow's pipe holds to dst.
func (s *session) pour(f *flow, dst *side) {
	for f.pipe.held > 0 {
		n, errno := splice(f.pipe.r, dst.fd, f.pipe.held)
		if errno == unix.EAGAIN {
			dst.writable = false
			return
		}
		if refuses(errno) {
			s.loop.retirePipes(errno)
			if errno = s.unpipe(f, dst); errno == 0 {
				return
			}
		}
		if errno != 0 {
			dst.breakDown(errno)
			return
		}
		f.pipe.held -= n
		f.took(n)
		s.moved = s.loop.now
	}
}

// unpipe has the bytes in the flow's pipe copied to dst, and gives the pipe back. What dst takes must be sent now: it
// is writable already, so that no event would ask for it.
func (s *session) unpipe(f *flow, dst *side) syscall.Errno {
	p, errno := f.pipe.empty()
	if errno == 0 {
		f.keep(p)
		f.full = 0
		s.unsplice(f)
		s.flush(f, dst)
	}
	return errno
}

// drains is asked where a limit would end the session. It reports whether a peer has taken bytes out of our kernel's
// buffer since it was last asked: such a slow receiver goes on, though nothing is handed over here.
func (s *session) drains() bool {
	n := s.client.unacknowledged() + s.backend.unacknowledged()
	t := s.traced()
	if n == t.unacked {
		return false
	}
	t.unacked, s.moved = n, s.loop.now
	return true
}
