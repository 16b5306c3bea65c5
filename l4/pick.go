package l4

import (
	"errors"

	"golang.org/x/sys/unix"

	"forebay/pool"
	"forebay/tls/sni"
)

// A setup is what a session needs until a backend is connected. The loop lends it.
type setup struct {
	request   pool.Request
	tried     [maxTries]*pool.Backend // the array that request.Tried is a slice of
	attempts  [2]attempt              // the try under way, and the one that hedges it
	route     *Route
	hello     sni.Parser   // how far the ClientHello has come
	heard     int64        // since when the client's first bytes are wanted
	first     int64        // when a backend was first picked; 0 until then
	began     int64        // the same, in this round of tries
	paused    int64        // since when it waits for the next round
	until     int64        // until when it waits for it
	pauses    uint8        // how many rounds there were
	queued    int64        // when it joined the queue
	waiter    *pool.Waiter // its place in the queue
	granted   pool.Lease   // what the queue gave it
	last      pool.Outcome // how the last failed try ended
	sockets   uint8        // how many sockets were made; also the number of the last one
	keptUntil int64        // until when a client over a limit is kept; 0: it is not kept
	hedged    bool         // a second try was made beside the first
}

// pick chooses the backend of the next try.
func (s *session) pick() (stage, Cause) {
	c, server := s.setup, s.loop.server
	if c.began == 0 {
		now := max(s.loop.now, s.began) // a session that was accepted in this turn began later than the turn
		c.first, c.began = now, now
		c.request.Source = s.peer.Addr()
		if s.trace != nil { // the client has been listened to
			s.trace.listened = c.began - s.began
		}
	}
	if len(c.request.Tried) >= server.Tries || s.loop.now >= c.began+server.connectBudget() {
		return s.tryAgain(s.noneConnected())
	}
	lease, err := c.route.Pool.Pick(&c.request)
	switch {
	case err == nil:
		return s.start(lease)
	case errors.Is(err, pool.ErrFull):
		return queueing, CauseNone
	}
	return s.tryAgain(s.noneConnected())
}

// noneConnected returns the cause where no backend could be had.
func (s *session) noneConnected() Cause {
	switch c := s.setup; {
	case len(c.request.Tried) == 0:
		return NoBackend
	case c.last == pool.OwnFault:
		return OwnFault
	}
	return ConnectFailed
}

// queue waits, first come first served, until a backend has room.
func (s *session) queue() (stage, Cause) {
	c, l := s.setup, s.loop
	if c.waiter == nil {
		return s.joinQueue()
	}
	if lease := c.granted; lease.Backend() != nil {
		s.traced().inQueue += l.now - c.queued
		c.began += l.now - c.queued
		c.waiter, c.granted = nil, pool.Lease{}
		return s.start(lease)
	}
	cause := CauseNone
	switch {
	case s.clientLeft():
		cause = ClientLeft
	case l.now >= c.queued+int64(l.server.QueueTimeout):
		cause = QueueTimeout
	}
	if cause != CauseNone && !c.route.Pool.Leave(c.waiter) {
		cause = CauseNone // a lease is on its way to the loop, and is used: the session has waited for it
	}
	return queueing, cause
}

// joinQueue takes a place in the pool's queue. Its lease comes back to the loop as a posted function, which has to find
// the session still waiting: the client may have left meanwhile.
func (s *session) joinQueue() (stage, Cause) {
	c, l, waiting := s.setup, s.loop, s.ref()
	waiter, err := c.route.Pool.Wait(&c.request, func(lease pool.Lease) {
		taken := l.post(func() {
			s := l.find(waiting)
			if s == nil || s.stage != queueing {
				lease.Done(pool.Abandoned)
				return
			}
			s.setup.granted = lease
			l.step(s)
		})
		if !taken { // the loop has ended, and the session with it
			lease.Done(pool.Abandoned)
		}
	})
	switch {
	case errors.Is(err, pool.ErrNone):
		return s.tryAgain(s.noneConnected())
	case err != nil:
		return queueing, QueueFull
	}
	c.waiter, c.queued = waiter, l.now
	return queueing, CauseNone
}

// clientLeft reports whether the client ended its stream before it sent anything, or reset it. A client that has sent
// its request and then FIN still waits for an answer.
func (s *session) clientLeft() bool {
	switch {
	case s.client.broken():
		return true
	case !s.client.hungUp, len(s.up.held) > 0: // what is held came behind a PROXY header
		return false
	case s.client.layer != nil:
		return s.leftTLS()
	}
	n, errno := peek(s.client.fd, s.loop.buf[:1])
	return n <= 0 && errno != unix.EAGAIN
}

// leftTLS is clientLeft over TLS. To find out it must read; what it reads stays with the client's bytes.
func (s *session) leftTLS() bool {
	buf := s.loop.buf[:readSize]
	n, errno := s.client.recv(buf)
	s.up.keep(buf[:max(n, 0)])
	s.up.read += uint64(max(n, 0))
	s.up.ended = s.client.ended || errno != 0 && errno != unix.EAGAIN
	return s.up.ended && len(s.up.held) == 0
}
