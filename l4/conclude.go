package l4

import "time"

// A session through which nothing is on its way can be ended so that neither peer takes harm: as if its client had
// finished. The backend gets FIN, says what it may have left to say, and answers with its own FIN, which is passed on
// to the client. The session ends as any other. A server that was idle closes within a round trip. One that was still
// at work, though it did not look so, mostly ends its work first. Nothing more is read from the client. What it sends
// from now on meets a closed socket and is answered with RST. So the client knows that its request was not taken, and
// no backend carries out a request that it could not answer. That RST would throw away what our kernel still holds for
// the client, such as a large answer on a slow line. So the socket is closed only when the client has acknowledged all
// of it (lingering).
//
// Resetting both sides would be quicker, but it throws away what the kernel still holds for either. Servers log a reset
// as an error, and clients report it where they would have passed over the end of an idle connection.

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

// part ends a session in which both sides have finished. Its client may go on: a concluded one has not finished itself,
// and one that speaks TLS may send more behind its close_notify until it sends FIN. The kernel would answer that with
// RST. The backend does not wait for it.
func (s *session) part() (stage, Cause) {
	e := &s.client
	if (s.first == ownEnd || e.layer != nil && !e.hungUp) && e.unacknowledged() > 0 {
		e.closeWrite()
		s.backend.closeWrite()
		return lingering, CauseNone
	}
	return relaying, s.closedBy()
}

// linger waits until a client that may go on has acknowledged all that it was sent. What it sends meanwhile is left
// unread. One that has finished may reset then, as clients do that close before they have read our close_notify: that
// changes nothing of how the session has ended.
func (s *session) linger() (stage, Cause) {
	switch e, now := &s.client, s.loop.now; {
	case e.broken() && s.first != ownEnd:
		return lingering, s.closedBy()
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
