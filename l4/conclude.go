package l4

import "time"

// A session that is in nobody's way can be ended so that neither peer takes harm: as if its client had finished. The
// backend gets FIN, says what it may have left to say, and answers with its own, which is passed on to the client; the
// session ends as any other. A server that was idle closes within a round trip; one that was still at work, though it
// did not look so, mostly ends it first. Nothing more is read from the client: what it may send from now on meets a
// closed socket and is answered with RST, so that it knows the request was not taken, and no backend carries out what
// it could not answer. That RST would throw away what our kernel still holds for the client, a large answer on a slow
// line; so the socket is closed only when the client has acknowledged that (lingering).
//
// Resetting both sides would be quicker, and throw away what the kernel still holds for either; servers log it as an
// error, and clients report it where they would have passed over the end of an idle connection.

// calm is for how long nothing must have moved before a session counts as quiet: within an answer, pauses are rarely
// longer.
const calm = 100 * time.Millisecond

// concludable reports whether s is relaying and nothing is on its way through it.
func (s *session) concludable() bool {
	return s.stage == relaying && !s.listed && s.first == neither &&
		!s.up.ended && !s.down.ended && !s.up.waiting() && !s.down.waiting() &&
		!s.client.waiting() && !s.backend.waiting() && !s.heldBack()
}

// quiet reports whether s looks as if no request were under way: the backend spoke last, or nobody has yet, and that
// was not just now.
func (s *session) quiet() bool {
	nobody := s.up.read == 0 && s.down.read == 0
	return (nobody || s.spoke != clientNumber) && s.loop.now-s.moved >= int64(calm)
}

// conclude ends s, which is concludable, as if its client had finished; why is the cause it will have.
func (s *session) conclude(why Cause) {
	s.traced().concluded = why
	s.first, s.up.ended = ownEnd, true
	s.loop.step(s)
}

// part ends a session in which both sides have finished. A client that was concluded may not have, and one that speaks
// TLS may go on behind its close_notify as long as there is no FIN: what comes then would be answered with RST.
func (s *session) part() (stage, Cause) {
	e := &s.client
	if (s.first == ownEnd || e.layer != nil && !e.hungUp) && e.unacknowledged() > 0 {
		e.closeWrite()
		return lingering, CauseNone
	}
	return relaying, s.closedBy()
}

// linger waits until a client that has not finished, or goes on though it has, has acknowledged all that it was sent.
// What it may say meanwhile is left unread.
func (s *session) linger() (stage, Cause) {
	switch e, now := &s.client, s.loop.now; {
	case e.broken():
		s.lost = clientEnd
		return lingering, s.lostBy()
	case now >= s.traced().look && s.acknowledged(e):
		return lingering, s.closedBy()
	case now >= s.stillUntil() && !s.drains():
		return lingering, HalfClosed
	}
	return lingering, s.tooSlow()
}
