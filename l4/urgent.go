package l4

import "golang.org/x/sys/unix"

// Urgent data (RFC 9293, section 3.8.5) is a byte with a mark in the stream. Linux keeps it out of what read(2) returns unless the
// application asks otherwise, so a relay that merely copies loses it, one that reads it in line gives the receiver a byte too many, and
// one that splices stops at the mark for ever. Here it is taken when the stream has come to its mark, and sent as urgent data at the same
// place.
//
// Once a side has announced urgent data its flow is no longer spliced, and each read goes on until nothing is left: both stop at a mark.
//
// TLS knows no urgent data. A byte that somebody on the way has declared urgent is not what the peer has said, and is left where it is.

// moveUrgent passes on the byte at src's mark. It reports false where ordinary data comes next, the byte just taken being stepped over.
func (s *session) moveUrgent(f *flow, src, dst *side) bool {
	if src.layer != nil || !atMark(src.fd) {
		return false
	}
	var b [1]byte
	switch recvUrgent(src.fd, &b) {
	case 0:
	case unix.EAGAIN: // announced, and still on its way
		src.readable = false
		return true
	default:
		return false
	}
	f.read++
	s.moved = s.loop.now
	if f == &s.up {
		s.forget() // where in the stream it stood is not kept
	}
	n, _ := dst.sendUrgent(b[:])
	f.took(n)
	if n == 0 {
		f.keep(b[:])
		f.holding = urgentByte
	}
	return true
}
