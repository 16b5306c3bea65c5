package l4

import (
	"time"

	"forebay/pool"
)

// While the only backend of a pool restarts, every try fails at once. Where the operator allows it
// (Server.TryDuration), a client for whom all tries have failed is kept, and all backends are tried again, until one
// lets the client in or its time is up. These tries find out that a backend is back. They need no check, and are few.

// Between two rounds of tries a client waits for firstRoundPause, then twice as long each time, up to
// longestRoundPause. So a server that is back has its clients within that time. Until then it has to refuse ten
// connections in four seconds for each client.
const (
	firstRoundPause   = int64(50 * time.Millisecond)
	longestRoundPause = int64(400 * time.Millisecond)
)

// tryAgain has all backends tried again after a pause. Once the time for that is up, cause ends the session. A request
// that a backend has died of is not sent again. What this machine lacks is waited for elsewhere.
func (s *session) tryAgain(cause Cause) (stage, Cause) {
	c, l := s.setup, s.loop
	pause := min(firstRoundPause<<min(c.pauses, 8), longestRoundPause)
	if cause == OwnFault || s.deadly() || l.now+pause > c.first+int64(l.server.TryDuration) {
		return picking, cause
	}
	c.pauses++
	c.paused, c.until = l.now, l.now+pause
	return pausing, CauseNone
}

// pause waits until the next round of tries, which has a budget of its own.
func (s *session) pause() (stage, Cause) {
	c, l := s.setup, s.loop
	switch {
	case s.clientLeft():
		return pausing, ClientLeft
	case l.now < c.until:
		return pausing, CauseNone
	}
	t := s.traced()
	t.inQueue += l.now - c.paused
	t.tries = t.tries[:0] // the record tells of the last round alone
	c.request.Tried, c.tried = nil, [maxTries]*pool.Backend{}
	c.began, c.hedged = l.now, false
	return picking, CauseNone
}
