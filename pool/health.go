package pool

import "time"

// health is what is known for and against a backend. The pool's mutex guards it.
type health struct {
	accusers witnesses // who call it down
	crowded  bool      // clients wait in the kernel's queue, and it does not accept them
	seen     bool      // a witness has spoken about it, so that it is new no more
	suspicion
	hold *hold // while traffic's word keeps it out; nil else
	part part  // of the pool's experience

	picksSeen, answeredSeen uint64 // at the last comparison of times
}

// witnesses is a set of Witness.
type witnesses uint8

func (w *witnesses) add(one Witness)    { *w |= 1 << one }
func (w *witnesses) remove(one Witness) { *w &^= 1 << one }

// judged is the state that follows from h.
func (h *health) judged() State {
	switch {
	case h.accusers != 0:
		return Down
	case h.hold != nil, h.crowded:
		return Ejected
	}
	return Up
}

// Judge enters that e.Witness finds b to be s, Up or Down. It is Down while any witness says so, and when the last one
// takes that back it is Up, whatever traffic said before. Saying the same again changes nothing, nor does it speak for
// an ejected backend: see Readmit.
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

// Readmit ends an ejection by a check's good word, and reports whether it did: it does nothing while the hold lasts, to
// a backend that is down, and to one that is not ejected.
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

// reviewLocked brings b's state and standing in line with its health, records and announces the change, of now, if there
// is one, and lets those who wait have what room there is.
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
		b.tier.settle(b) // by what it is known for now
	}
	p.serveLocked()
}

// recordLocked enters t into b's history and tells it to those who watch.
func (p *Pool) recordLocked(b *Backend, t Transition) {
	b.recordLocked(t)
	if len(p.watchers) > 0 {
		p.news = append(p.news, news{b, t})
	}
}

// Watch has f called with every transition of any backend's state from now on: one at a time, in the order in which
// they happen, without any lock held, on a goroutine that brought one of them about. That may be the loop of a session:
// f must not wait for anything.
func (p *Pool) Watch(f func(*Backend, Transition)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers = append(p.watchers, f)
}

// news is a transition that has yet to be told.
type news struct {
	backend    *Backend
	transition Transition
}

// release gives the mutex back, then tells waiters of their leases and watchers of transitions.
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

// publish tells all news. Where another goroutine is at it, or a watcher down this stack, that one goes on with them.
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
