package l4

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// deliver is the stage of a session that has lost one side, by a reset or otherwise. What was read from that side is
// still handed to the other side. finish mirrors the reset only when the other side has acknowledged it, as closing
// with RST drops what is queued. What is queued for the lost side is dropped.
func (s *session) deliver() (stage, Cause) {
	f, src, dst := s.lastFlow()
	s.back(f).drop(&s.loop.pipes)
	if !f.ended {
		src.readable = true // what arrived before the reset comes first, then the error
	}
	before := f.written
	dst.flush()
	more, slow := s.pump(f, src, dst), s.tooSlow()
	s.deliverEnd(f, src, dst)
	switch {
	case slow != CauseNone:
		return delivering, slow
	case s.up.finished && s.down.finished && !dst.waiting():
		return s.part()
	case dst.broken():
		return s.delivered()
	case more:
		s.loop.again(s)
	case !f.waiting() && !dst.waiting() && (s.loop.now >= s.traced().look || f.written > before) && s.acknowledged(dst):
		return s.delivered()
	case s.loop.now >= s.ends || s.loop.now >= s.deliverUntil() && !s.drains():
		return delivering, s.lostBy()
	}
	return delivering, CauseNone
}

// delivered ends a session of which nothing is left to be handed over. A client whose TLS has failed is first given the
// time to read why.
func (s *session) delivered() (stage, Cause) {
	why := s.lostBy()
	if why == ClientTLSFault {
		return s.dismiss(why, nil)
	}
	return delivering, why
}

// deliverEnd forwards the end of a stream that close_notify had made whole before its socket was reset. A client resets
// so when it closes with something unread: tickets, where it has asked for nothing, or our close_notify. In the second
// case both sides have finished.
func (s *session) deliverEnd(f *flow, src, dst *side) {
	if src.layer == nil || !src.ended {
		return
	}
	s.endFlow(f, s.lost, dst)
	if f.finished {
		dst.closeWrite()
	}
}

// lastFlow is the flow out of the side that is lost.
func (s *session) lastFlow() (f *flow, src, dst *side) {
	if s.lost == backendEnd {
		return &s.down, &s.backend, &s.client
	}
	return &s.up, &s.client, &s.backend
}

// deliverUntil bounds the wait for a side that takes nothing, as for any half-closed session.
func (s *session) deliverUntil() int64 {
	if s.loop.server.HalfCloseTimeout <= 0 {
		return never
	}
	return s.moved + int64(s.loop.server.HalfCloseTimeout)
}

// nextLook is when delivering wants to look at the clock.
func (s *session) nextLook() int64 {
	if f, _, dst := s.lastFlow(); f.waiting() || dst.waiting() {
		return min(s.deliverUntil(), s.nextProgress())
	}
	return min(s.traced().look, s.deliverUntil(), s.nextProgress())
}

// back returns the flow that runs against f.
func (s *session) back(f *flow) *flow {
	if f == &s.up {
		return &s.down
	}
	return &s.up
}

// acknowledged reports whether e's peer has acknowledged all that it was sent. Where it has not, acknowledged sets when
// to ask again, as no event tells.
func (s *session) acknowledged(e *side) bool {
	if e.unacknowledged() == 0 {
		return true
	}
	t := s.traced()
	t.looks = min(t.looks+1, 6)
	t.look = s.loop.now + int64(5*time.Millisecond)<<t.looks // 10, 20 … 320 ms
	return false
}

// lostBy is the cause of a session that one side has broken.
func (s *session) lostBy() Cause {
	if s.lost == clientEnd {
		return causeOfLoss(&s.client, ClientReset, ClientTimeout, ClientTruncated, ClientTLSFault)
	}
	return causeOfLoss(&s.backend, BackendReset, BackendTimeout, BackendTruncated, BackendTLSFault)
}

func causeOfLoss(e *side, reset, timeout, truncated, tlsFault Cause) Cause {
	switch syscall.Errno(e.fault) {
	case unix.ETIMEDOUT: // TCP_USER_TIMEOUT, keep-alive, retransmission
		return timeout
	case unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENETDOWN, unix.ENONET, unix.ECONNREFUSED, unix.ENOPROTOOPT, unix.EACCES:
		// A timeout as well. Where ICMP, or the lack of an answer to ARP, had named a reason, the kernel gives that in
		// place of ETIMEDOUT when it gives up (tcp_write_err of Linux, sk_err_soft). Until then the connection stands.
		return timeout
	case faultTruncated:
		return truncated
	case faultTLS:
		return tlsFault
	}
	return reset
}
