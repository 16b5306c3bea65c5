package l4

import (
	"sync/atomic"
	"time"
)

// Limits say how much of a Server one client may have. Clients are counted by source: an IPv4 address, or an IPv6
// network of 64 bits, of the client that a PROXY header names where there is one. Clients of UNIX sockets have no
// source. The zero value of each is no limit.
type Limits struct {
	Access *Access // who may connect at all

	ClientConns int  // sessions of one source at once
	ClientRate  Rate // new sessions of one source
	AcceptRate  Rate // connections taken off one listener's queue; more wait in it

	SessionUpload, SessionDownload Rate // bytes from the client and to it, of one session
	ClientUpload, ClientDownload   Rate // the same of one source, all its sessions together

	// LeastProgress ends a session when one peer takes fewer bytes than this within Per, although bytes wait for it all
	// that time. It is noticed after once or twice Per.
	LeastProgress Rate

	OnLimit    Refusal
	LimitDelay time.Duration // how long Delay keeps a client
}

// A Refusal is how a client is turned away when Access or a limit of sessions keeps it out.
type Refusal uint8

// The refusals.
const (
	Reset Refusal = iota // with RST
	Close                // with FIN, so that it looks like a server with nothing to say
	Delay                // after LimitDelay with RST, unless it may come in by then
)

// delayedShare bounds how many clients Delay may keep at once: one for so many sessions that there may be. Further
// clients are reset at once, so that delayed ones leave room for those that may come in.
const delayedShare = 8

// A doorkeeper applies a Server's Limits. A server without limits has none.
type doorkeeper struct {
	*Limits
	sources *sources // nil: no source is limited
	most    int64    // delayed at once
	delayed atomic.Int64
	up      lane
	down    lane
	paces   bool // bandwidth or progress of sessions is looked at
}

// newDoorkeeper returns nil where l limits nothing that a session has to ask for.
func newDoorkeeper(l *Limits, sessions int) *doorkeeper {
	d := &doorkeeper{Limits: l, most: int64(sessions / delayedShare)}
	d.up, d.down = lane{l.SessionUpload, l.ClientUpload}, lane{l.SessionDownload, l.ClientDownload}
	d.paces = d.up.limits() || d.down.limits() || l.LeastProgress.limits()
	if l.ClientConns > 0 || l.ClientRate.limits() || l.ClientUpload.limits() || l.ClientDownload.limits() {
		d.sources = newSources(l, sessions)
	}
	if d.sources == nil && !d.paces && l.Access == nil {
		return nil
	}
	return d
}

// known returns the next stage of a session once it is known who its client is.
func (s *session) known(now int64) stage {
	if s.loop.server.door != nil {
		return admitting
	}
	return s.listen(now)
}

// admit lets the session in, or turns the client away.
func (s *session) admit() (stage, Cause) {
	d, c, now := s.loop.server.door, s.setup, s.loop.now
	if now < c.keptUntil {
		if s.clientLeft() {
			return admitting, ClientLeft
		}
		return admitting, CauseNone
	}
	cause := d.letIn(s)
	switch {
	case cause == CauseNone:
		d.release(c)
		return s.listen(now), CauseNone
	case d.OnLimit == Delay && c.keptUntil == 0 && d.keep():
		c.keptUntil = now + int64(d.LimitDelay)
		return admitting, CauseNone
	}
	return admitting, cause
}

// letIn decides about s, and counts it if it may come in.
func (d *doorkeeper) letIn(s *session) Cause {
	ip := s.peer.Addr()
	if d.Access != nil && !d.Access.Allows(ip) {
		return Denied
	}
	if d.sources == nil || !ip.IsValid() {
		if d.paces {
			s.measure(nil)
		}
		return CauseNone
	}
	from, cause := d.sources.enter(ip, s.loop.now)
	if cause == CauseNone {
		s.measure(from)
	}
	return cause
}

// keep counts one more delayed client, or reports that there may be no more.
func (d *doorkeeper) keep() bool {
	if d.delayed.Add(1) <= d.most {
		return true
	}
	d.delayed.Add(-1)
	return false
}

// release ends what keep began.
func (d *doorkeeper) release(c *setup) {
	if c.keptUntil != 0 {
		c.keptUntil = 0
		d.delayed.Add(-1)
	}
}

// leave gives back what the session was given by admit.
func (d *doorkeeper) leave(s *session) {
	if s.setup != nil {
		d.release(s.setup)
	}
	m := s.meter()
	if m == nil {
		return
	}
	if m.source != nil {
		m.up.settle(s.up.read, s.loop.now)
		m.down.settle(s.down.read, s.loop.now)
		d.sources.leave(m.source)
	}
	s.trace = nil // it is a part of the meter
	s.loop.takeMeter(m)
}

// dismisses reports whether a client that is turned away for that cause sees a clean end.
func (d *doorkeeper) dismisses(cause Cause) bool {
	return d.OnLimit == Close && (cause == Denied || cause == OverConns || cause == OverRate)
}

// report adds what the doorkeeper counts. d may be nil.
func (d *doorkeeper) report(snap *Snapshot) {
	if d == nil {
		return
	}
	snap.Delayed = int(d.delayed.Load())
	if d.sources != nil {
		snap.Sources, snap.Uncounted = d.sources.count()
	}
}
