package l4

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"

	"forebay/pool"
)

// A backend can accept a connection and die before it has said a byte: a worker that is killed, or a process behind a
// forwarder that accepts for it. What the client has sent until then is kept, if it is not too much, and sent to
// another backend, so that the client does not notice. Nobody can tell whether the first backend has acted on those
// bytes. So the operator must allow replaying (Server.Replay).

// A replay is what a session keeps until its backend's first byte.
type replay struct {
	kept   []byte          // all that the client has sent
	tried  []*pool.Backend // the connected one included
	spent  int64           // ns of the connect budget
	hedged bool
}

// rehearse begins to keep what would have to be replayed, now that a backend is connected. Where a backend has died of
// the request already, nothing is kept: the request may be what kills, and a third backend is not to get it.
func (s *session) rehearse(c *setup) {
	if len(s.up.held) > s.loop.server.Replay || s.deadly() {
		return
	}
	s.traced().replay = &replay{
		kept:   bytes.Clone(s.up.held),
		tried:  slices.Clone(c.request.Tried),
		spent:  s.connected - c.began,
		hedged: c.hedged,
	}
}

// remember keeps p, which the client has sent. Where it is more than may be kept, there will be no replay.
func (s *session) remember(p []byte) {
	if !s.rehearses() {
		return
	}
	r := s.trace.replay
	if len(r.kept)+len(p) > s.loop.server.Replay {
		s.forget()
		return
	}
	r.kept = append(r.kept, p...)
}

// deadly reports whether a backend has died with the client's request in its hands.
func (s *session) deadly() bool { return s.trace != nil && s.trace.deadly }

// rehearses reports whether what the client sends is kept.
func (s *session) rehearses() bool { return s.trace != nil && s.trace.replay != nil }

// forget gives up what was kept: it won't be replayed any more.
func (s *session) forget() {
	if s.trace != nil {
		s.trace.replay = nil
	}
}

// died reports whether the backend has ended before it said a byte, and what the client has sent can still be replayed.
// It has not died where it ended cleanly after the client: in such a session only the client has something to say. Nor
// where it ended before the client said anything: that ends an idle connection, unless it is a reset.
func (s *session) died() bool {
	switch e := &s.backend; {
	case !s.rehearses() || s.client.broken() || s.down.finished:
		return false
	case e.broken():
		reset := e.fault == uint16(unix.ECONNRESET) && !s.up.ended
		return (s.up.read > 0 || reset) && !e.pending()
	default:
		return s.down.ended && s.up.read > 0 && !s.up.finished
	}
}

// pending reports whether the socket holds bytes that were not read yet.
func (e *side) pending() bool {
	var b [1]byte
	n, _ := peek(e.fd, b[:])
	return n == 1
}

// replay takes the session back to where a backend is picked. It goes on with the tries and the connect budget that are
// left; the time that the dead backend had is not counted.
func (s *session) replay() (stage, Cause) {
	l, r := s.loop, s.trace.replay
	s.trace.deadly = s.trace.deadly || s.up.read > 0
	c := l.borrow()
	c.route = s.route()
	c.request.Source = s.peer.Addr()
	c.request.Tried = append(c.request.Tried, r.tried...)
	c.first, c.began, c.hedged, c.last = l.now, l.now-r.spent, r.hedged, pool.Died
	c.sockets = s.backend.number // an event may still come for it
	s.bury()
	s.up.drop(&l.pipes)
	s.down.drop(&l.pipes)
	s.up = flow{held: slices.Clip(r.kept), ended: s.up.ended, read: s.up.read}
	s.down = flow{}
	s.setup = c
	s.forget()
	return picking, CauseNone
}

// bury ends what the session had with its dead backend.
func (s *session) bury() {
	b := s.lease.Backend()
	s.trace.tries = append(s.trace.tries, Try{
		Backend: b.Name(),
		Address: b.Addrs()[s.reached],
		Result:  pool.Died,
		Took:    durationOf(s.loop.server.clock() - s.tried),
		Fault:   s.backend.layer.fault(),
	})
	s.dropQueued(&s.backend) // the backend has not seen it and can't have acted on it
	s.abortSide(&s.backend)
	s.lease.Done(pool.Died)
	s.lease, s.backend, s.lost, s.guarded = pool.Lease{}, noSide(), neither, false
	if m := s.meter(); m != nil {
		// What the dead backend had taken and sent says nothing about the next one.
		m.progress, m.down.heard = progress{}, 0
	}
}

// route returns where the session goes.
func (s *session) route() *Route {
	if s.trace != nil && s.trace.route != nil {
		return s.trace.route
	}
	return &s.loop.server.Route
}
