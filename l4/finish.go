package l4

import (
	"encoding/hex"
	"time"

	"forebay/pool"
)

// finish ends s, whatever happened: it writes the Record while the sockets can still be asked, closes both sides, ends
// the lease and gives the slot back. Nothing else ends a session.
func (s *session) finish(cause Cause) {
	l := s.loop
	s.flushQueued()
	report := l.server.Finished != nil
	if report {
		s.record(&l.record, cause)
	}
	if d := l.server.door; d != nil {
		d.leave(s)
	}
	s.close(cause)
	s.lease.Done(s.outcome(cause))
	s.up.drop(&l.pipes)
	s.down.drop(&l.pipes)
	l.tally(s, cause)
	l.remove(s)
	l.retire(s)
	l.server.release()
	if report {
		l.server.Finished(&l.record)
	}
}

// close closes the sockets: with FIN after a session that said all it had to say, with RST after any other, so that
// neither peer takes a part for the whole.
func (s *session) close(cause Cause) {
	if c := s.setup; c != nil {
		for i := range c.attempts {
			if a := &c.attempts[i]; a.underWay() {
				s.closeSide(&a.side)
				a.lease.Done(pool.Abandoned)
			}
		}
		if c.waiter != nil {
			c.route.Pool.Leave(c.waiter)
		}
		c.granted.Done(pool.Abandoned) // a lease may have come at the very end
		s.loop.giveBack(c)
		s.setup = nil
	}
	if cause.Clean() || cause == BackendTruncated && s.up.finished && s.down.finished {
		s.closeWhole(&s.client)
		s.closeBackend()
		return
	}
	if d := s.loop.server.door; d != nil && d.dismisses(cause) {
		// Close before the client sends a byte that nobody reads: the kernel would then send RST in place of FIN.
		s.client.closeWrite()
		s.client.discard(s.loop.buf)
		s.closeSide(&s.client)
	}
	s.abortSide(&s.client)
	s.abortSide(&s.backend)
}

// outcome is what the session says about its backend.
func (s *session) outcome(cause Cause) pool.Outcome {
	if cause.byBackend() && s.down.read == 0 && s.up.read > 0 {
		return pool.Died
	}
	return pool.Served
}

// record fills r.
func (s *session) record(r *Record, cause Cause) {
	l := s.loop
	now := l.server.clock()
	*r = Record{
		ID:          l.server.finished.Add(1),
		Listener:    s.listener.name,
		Client:      pool.TCPAddress(s.peer),
		Start:       l.server.wall.at(s.began),
		Connect:     -1,
		FirstByte:   -1,
		Total:       durationOf(now - s.began),
		FromClient:  s.up.read,
		FromBackend: s.down.read,
		ToBackend:   s.up.written,
		ToClient:    s.down.written,
		Tries:       r.Tries[:0],
		Cause:       cause,
	}
	if !s.peer.IsValid() {
		r.Client = pool.Address{}
	}
	if t := s.trace; t != nil {
		r.Tries = append(r.Tries, t.tries...)
		r.Queue, r.Via, r.Local, r.UniqueID = durationOf(t.inQueue), t.via, t.local, hex.EncodeToString(t.uniqueID)
		r.ServerName = t.serverName
		if t.fault != nil {
			r.Fault = t.fault.Error()
		}
		if t.route != nil {
			r.Route = t.route.Name
		}
	}
	if c := s.setup; c != nil {
		s.recordSetup(r, c)
	}
	if b := s.lease.Backend(); b != nil {
		s.recordBackend(r, b)
	}
	r.ClientTLS, r.BackendTLS = s.client.layer.info(), s.backend.layer.info()
	s.recordPath(&s.client, s.down.read, s.down.written, &r.ClientTCP)
	s.recordPath(&s.backend, s.up.read, s.up.written, &r.BackendTCP)
}

// recordSetup fills in what was under way when the session ended.
func (s *session) recordSetup(r *Record, c *setup) {
	now := s.loop.server.clock()
	if c.waiter != nil {
		r.Queue = durationOf(now - c.queued)
	}
	for i := range c.attempts {
		if a := &c.attempts[i]; a.underWay() {
			r.Tries = append(r.Tries, a.try(pool.Abandoned, now))
		}
	}
}

func (s *session) recordBackend(r *Record, b *pool.Backend) {
	r.Backend, r.Address = b.Name(), b.Addrs()[s.reached]
	r.Connect = durationOf(s.connected-s.began) - r.Queue
	if s.trace != nil {
		r.Connect -= durationOf(s.trace.listened)
	}
	r.Tries = append(r.Tries,
		Try{Backend: r.Backend, Address: r.Address, Result: pool.Served, Took: durationOf(s.connected - s.tried)})
	if s.answered {
		r.FirstByte = durationOf(s.firstByte - s.connected)
	}
}

// recordPath asks the kernel about one side. sent bytes were meant for it, and taken of them were handed to its kernel.
func (s *session) recordPath(e *side, sent, taken uint64, p *PathInfo) {
	if !e.open() {
		p.Unacked = sent
		return
	}
	p.Unacked = sent - min(sent, taken)
	info := &s.loop.info
	if !e.tcp || !tcpInfo(e.fd, info) {
		return
	}
	p.RTT = time.Duration(info.Rtt) * time.Microsecond
	p.Retransmits = info.Total_retrans
	if info.Unacked > 0 || info.Notsent_bytes > 0 || e.waiting() || e.broken() {
		p.Unacked += uint64(s.unacknowledgedData(e))
	}
}

// unacknowledgedData returns how many of the written bytes the peer has not acknowledged. In the kernel's sum our FIN
// counts as one byte.
func (s *session) unacknowledgedData(e *side) int {
	n := e.unacknowledged()
	if e.shut && n > 0 {
		n--
	}
	return n
}

// durationOf turns nanoseconds of the server's clock into a Duration that is not negative.
func durationOf(ns int64) time.Duration { return time.Duration(max(ns, 0)) }
