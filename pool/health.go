package pool

import "time"

// health is what is known about how well a backend works. The pool's mutex guards it.
type health struct {
	accusers witnesses // who call it down
	crowded  bool      // clients wait in the kernel's queue, and it does not accept them
	seen     bool      // a witness has spoken about it: it is not new
	suspicion
	hold *hold // while traffic has it ejected; else nil
	part part  // its part of the pool's experience

	picksSeen, answeredSeen uint64 // at the last comparison of times
}

// witnesses is a set of Witness.
type witnesses uint8

func (w *witnesses) add(one Witness)    { *w |= 1 << one }
func (w *witnesses) remove(one Witness) { *w &^= 1 << one }

// judged returns the state that follows from h.
func (h *health) judged() State {
	switch {
	case h.accusers != 0:
		return Down
	case h.hold != nil, h.crowded:
		return Ejected
	}
	return Up
}

// Judge enters that e.Witness finds b to be s, which is Up or Down. b is Down while any witness says so. When the last
// one takes that back, b is Up, whatever traffic said before. To say the same again changes nothing, and does not end
// an ejection: see Readmit.
func (b *Backend) Judge(s State, e Evidence) {
	p := b.pool
	p.mu.Lock()
	defer p.release()
	before := b.judged()
	b.accusers.remove(Start)
	if s == Down {
		b.accusers.add(e.Witness)
	} else {
		b.accusers.remove(e.Witness)
	}
	if before == Down && b.judged() != Down {
		b.acquitLocked()
	}
	p.reviewLocked(b, time.Now(), e)
	b.seen = true
}

// Readmit ends b's ejection after a check has passed, and reports whether it did. It does nothing while the hold lasts,
// while b is down, and where b is not ejected.
func (b *Backend) Readmit(e Evidence) bool {
	p := b.pool
	p.mu.Lock()
	defer p.release()
	if b.hold == nil || !b.hold.over || b.accusers != 0 {
		return false
	}
	p.readmitLocked(b, e)
	return true
}

// reviewLocked sets b's state and standing by its health. If the state changes, it records and announces that, with the
// time now. Clients that wait then get what room there is.
func (p *Pool) reviewLocked(b *Backend, now time.Time, e Evidence) {
	if from, to := b.State(), b.judged(); from != to {
		b.state.Store(uint32(to))
		p.recordLocked(b, Transition{At: now, From: from, To: to, Until: b.heldUntilLocked(), Evidence: e})
		b.endRampLocked()
		b.withdrawTrialLocked()
	} else if b.standing == b.standingNow() {
		return
	}
	served, dark := b.serving, p.census[standingUp] == 0
	p.takeCensusLocked(b)
	if dark && p.census[standingUp] > 0 {
		p.lit = now
	}
	if b.standing == standingUp && !served && b.seen && !p.coldLocked() {
		b.beginRampLocked()
	}
	p.admitLocked(b)
	if b.serving {
		b.tier.settle(b) // what it is ranked by may have changed
	}
	p.serveLocked()
}

// recordLocked enters t into b's history, and queues it for the watchers.
func (p *Pool) recordLocked(b *Backend, t Transition) {
	b.recordLocked(t)
	if len(p.watchers) > 0 {
		p.news = append(p.news, news{b, t})
	}
}

// Watch has f called with every transition of any backend's state from now on, one at a time and in order. No lock is
// held. f runs on a goroutine that caused one of the transitions. That may be the loop of a session: f must not wait
// for anything.
func (p *Pool) Watch(f func(*Backend, Transition)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers = append(p.watchers, f)
}

// news is a transition that the watchers do not know yet.
type news struct {
	backend    *Backend
	transition Transition
}

// release unlocks the mutex, then gives waiters their leases and tells watchers of transitions.
func (p *Pool) release() {
	if p.granted.first == nil && len(p.news) == 0 { // nearly always
		p.mu.Unlock()
		return
	}
	p.releaseAndTell()
}

func (p *Pool) releaseAndTell() {
	granted, changed := p.granted, len(p.news) > 0
	p.granted = grants{}
	p.mu.Unlock()
	granted.tell()
	if changed {
		p.publish()
	}
}

// publish tells all news. Where another goroutine does that already, or a watcher further up this stack has called,
// those news are left to the publish that runs.
func (p *Pool) publish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.publishing {
		return
	}
	p.publishing = true
	for len(p.news) > 0 {
		next, watchers := p.news[0], p.watchers
		p.news = p.news[1:]
		p.mu.Unlock()
		for _, f := range watchers {
			f(next.backend, next.transition)
		}
		p.mu.Lock()
	}
	p.publishing = false
}
