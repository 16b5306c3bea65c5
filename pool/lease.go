package pool

import "time"

// A Lease is a session's claim on a backend: one of its active sessions. The zero Lease is no lease and its methods do
// nothing. A Lease may be moved but not shared: of two copies only one may be ended.
type Lease struct {
	backend *Backend
	done    bool
	trial   bool // it began when the backend's hold was over, and is not connected yet: its outcome decides
	origin  origin
}

// Backend returns the backend, nil for the zero Lease. It is still there after Done.
func (l Lease) Backend() *Backend { return l.backend }

// Connected tells how long the backend took to accept the connection.
func (l *Lease) Connected(took time.Duration) {
	b := l.backend
	if b == nil || l.done {
		return
	}
	defer Corrupting()
	b.pool.mu.Lock()
	b.connect.add(took)
	b.failing = false
	b.unconnected = 0
	if l.trial {
		l.trial = false
		b.pool.triedLocked(b, took)
	}
	b.learntLocked()
	b.pool.release()
	if b.State() == Down {
		b.doubt()
	}
}

// FirstByte tells how long the backend took from the connection to its first byte.
func (l *Lease) FirstByte(took time.Duration) {
	b := l.backend
	if b == nil || l.done {
		return
	}
	defer Corrupting()
	b.pool.mu.Lock()
	b.firstByte.add(took)
	b.answered.Add(1)
	b.row = row{}
	b.pool.past.count(&b.part, Served)
	b.learntLocked()
	b.pool.release()
}

// learntLocked tells the ranking that b's measured times have changed.
func (b *Backend) learntLocked() {
	if b.ranked {
		b.tier.changed(b)
	}
}

// Done ends the lease with an outcome. Nothing else lowers the count of the backend's active sessions. A second call
// does nothing. If the backend may now serve a client that waits, Done calls that client's granted function before it
// returns.
func (l *Lease) Done(o Outcome) {
	if l.backend == nil || l.done {
		return
	}
	l.done = true
	l.backend.pool.end(l, o)
	if o.Failed() {
		l.backend.doubt()
	}
}

// end takes l's session off its backend, and gives the room to the first client that waits for it.
func (p *Pool) end(l *Lease, o Outcome) {
	defer Corrupting()
	p.mu.Lock()
	p.endLocked(l, o)
	p.release()
}

func (p *Pool) endLocked(l *Lease, o Outcome) {
	b := l.backend
	b.active.Add(-1)
	if o < outcomeCount {
		b.outcomes[o].Add(1)
	}
	b.failing = b.failing || o.Failed() && o != Died
	if b.tier == nil {
		p.forgetLocked(b)
		return
	}
	wasFull := !b.ranked
	b.tier.leave(b)
	switch {
	case o.Failed():
		p.failedLocked(l, o)
	case l.trial: // the trial is undecided: the next session tries the backend
		p.offerTrialLocked(b)
	}
	// The failure was handled first: a client that waits must not get a backend that is ejected for this very failure.
	// If b had room before, no client waited that b could have served. On an ejected backend there may be room now, for
	// its trial or as a last resort.
	if wasFull && b.ranked || b.held.linked {
		p.serveLocked()
	}
}
