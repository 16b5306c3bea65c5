package pool

import (
	"errors"
	"fmt"
	"time"
)

// An Ejection says when failing sessions take their backend out of use. The zero Ejection never ejects.
//
// At most half of the pool's backends are ejected at a time, and never the last one that is up. Where most fail, the
// fault is likely to be this machine's, and a doubtful backend is better than none. For the same reason a session that
// has tried all others is sent to an ejected one.
type Ejection struct {
	// After is how many connections in a row must fail, or how many sessions in a row must end after the connection and
	// before the backend's first byte. A client may cause the latter, so it counts only with other evidence: see row.
	// 0: never eject for failures in a row.
	After int

	// Share is the share of sessions that must fail, of at least 20 that began within 10 s. They need not be in a row.
	// The same restriction as for After holds. It is above 0 and up to 1; 0: never eject for a share.
	Share float64

	// Slow is how many times the pool's median a backend's connect time or time to the first byte must be, in three
	// windows of CompareTimes in a row. It is above 1; 0: never eject for slowness.
	Slow float64

	// Hold is how long the first ejection lasts; 0 means 5 s. Each that follows lasts twice as long as the one before,
	// up to 5 min. A random part of up to a quarter is added to each. After 5 min without an ejection a backend begins
	// with Hold again.
	Hold time.Duration
}

const (
	defaultHold = 5 * time.Second
	maxHold     = 5 * time.Minute
	holdJitter  = 0.25 // so that many balancers do not return to a backend at the same moment
)

// A hold is the time of one ejection, and the trial that follows it.
type hold struct {
	timer *time.Timer
	until time.Time
	over  bool           // a session or a check may readmit the backend
	place node[*Backend] // in its tier's trials, while it waits for a session that tries it
}

// failedLocked counts that the session of l failed, and ejects its backend if that is enough.
func (p *Pool) failedLocked(l *Lease, o Outcome) {
	b := l.backend
	b.suspicion.count(l, o, p.past.all)
	p.past.count(&b.part, o)
	switch {
	case l.trial && b.onTrial():
		p.holdAgainLocked(b, o)
	case b.State() == Up && p.mayEjectLocked(b):
		if reason := b.againstLocked(p.options.Ejection, o); reason != "" {
			p.ejectLocked(b, Evidence{Witness: Traffic, Reason: reason})
		}
	}
}

// mayEjectLocked reports whether b's ejection would leave another backend up and half of the pool in use.
func (p *Pool) mayEjectLocked(b *Backend) bool {
	return b.standing == standingUp && p.census[standingUp] > 1 &&
		2*(p.census[standingEjected]+1) <= p.census.configured()
}

func (p *Pool) ejectLocked(b *Backend, e Evidence) {
	now := time.Now()
	p.holdLocked(b, now)
	p.reviewLocked(b, now, e)
}

// holdAgainLocked ejects b again, because its trial failed. The hold gets no longer where the client may have caused
// the failure.
func (p *Pool) holdAgainLocked(b *Backend, o Outcome) {
	if o.provocable() {
		b.holds = max(b.holds-1, 0)
	}
	now := time.Now()
	p.holdLocked(b, now)
	p.recordLocked(b, Transition{At: now, From: b.State(), To: b.State(), Until: b.heldUntilLocked(),
		Evidence: Evidence{Witness: Traffic, Reason: fmt.Sprintf("its trial failed: %v", o)}})
}

// holdLocked starts b's next hold, now.
func (p *Pool) holdLocked(b *Backend, now time.Time) {
	b.withdrawTrialLocked()
	if b.hold == nil && now.Sub(b.readmitted) >= maxHold {
		b.holds = 0
	}
	length := p.options.Ejection.hold(b.holds, p.jitter())
	b.holds++
	b.seen = true
	h := &hold{until: now.Add(length)}
	h.place.of = b
	h.timer = time.AfterFunc(length, func() { p.holdOver(b, h) })
	b.hold = h
}

// hold returns how long the ejection after so many others lasts. chance is from 0 to 1.
func (e Ejection) hold(others int, chance float64) time.Duration {
	length := e.Hold
	if length == 0 {
		length = defaultHold
	}
	for ; others > 0 && length < maxHold; others-- {
		length *= 2
	}
	return time.Duration(float64(min(length, maxHold)) * (1 + holdJitter*chance))
}

// onTrial reports whether b's hold is over and nothing is decided yet: a session or a check will decide.
func (b *Backend) onTrial() bool { return b.hold != nil && b.hold.over }

// holdOver lets b be tried when h has ended: by a check where there are checks, else by a session.
func (p *Pool) holdOver(b *Backend, h *hold) {
	p.mu.Lock()
	if b.hold == h {
		h.over = true
		p.offerTrialLocked(b)
		p.serveLocked()
	}
	p.release()
	b.doubt()
}

// offerTrialLocked puts b into the list of backends that the next sessions try, unless checks try it.
func (p *Pool) offerTrialLocked(b *Backend) {
	if h := b.hold; h != nil && !p.options.Checks && b.standing == standingEjected && h.over && !h.place.linked {
		b.tier.trials.push(&h.place)
	}
}

// readmitLocked ends b's ejection. The row of sessions without an answer stays, without its last, until the backend has
// sent a byte: that a backend can be connected to proves little.
func (p *Pool) readmitLocked(b *Backend, e Evidence) {
	warning := b.row.warning(p.options.Ejection.After, p.past.all)
	b.acquitLocked()
	b.row = warning
	p.reviewLocked(b, time.Now(), e)
}

// lastResortLocked picks an ejected backend for r, which has tried all others. A doubtful backend is better than one
// that has just failed.
func (p *Pool) lastResortLocked(r *Request) (Lease, error) {
	for n := p.held.head; n != nil; n = n.next {
		if b := n.of; !r.tried(b) && b.room() {
			p.held.remove(n)
			p.held.push(n)
			return b.tier.lease(b), nil
		}
	}
	return Lease{}, ErrNone
}

// triedLocked readmits b, if it is on trial, after the session that tried it was connected.
func (p *Pool) triedLocked(b *Backend, took time.Duration) {
	if b.onTrial() {
		p.readmitLocked(b, Evidence{Witness: Traffic, Reason: "the session that tried it was connected", Took: took})
	}
}

// acquitLocked forgets what traffic has against b. Only the number of its ejections stays.
func (b *Backend) acquitLocked() {
	if h := b.hold; h != nil {
		h.timer.Stop()
		b.withdrawTrialLocked()
		b.hold = nil
		b.readmitted = time.Now()
	}
	b.suspicion = suspicion{holds: b.holds, readmitted: b.readmitted}
	b.failing = false
}

func (b *Backend) withdrawTrialLocked() {
	if h := b.hold; h != nil && h.place.linked {
		b.tier.trials.remove(&h.place)
	}
}

// heldUntilLocked returns when b's hold ends, the zero time where there is none.
func (b *Backend) heldUntilLocked() time.Time {
	if b.hold == nil || b.accusers != 0 {
		return time.Time{}
	}
	return b.hold.until
}

// doubt asks for a check of b at once.
func (b *Backend) doubt() {
	select {
	case b.doubted <- struct{}{}:
	default: // a check is asked for already
	}
}

// Doubted delivers a value when b should be checked at once: a session failed, a session was connected though b is
// down, or b's hold is over. One value stands for any number of reasons.
func (b *Backend) Doubted() <-chan struct{} { return b.doubted }

func (e Ejection) validate() error {
	var faults []error
	if e.After < 0 {
		faults = append(faults,
			fmt.Errorf("an ejection after %d failures: 1 or more is right, or 0 for never", e.After))
	}
	if !(e.Share >= 0 && e.Share <= 1) {
		faults = append(faults,
			fmt.Errorf("an ejection at a share of %v: above 0 and up to 1 is right, or 0 for never", e.Share))
	}
	if e.Slow != 0 && !(e.Slow > 1) {
		faults = append(faults, fmt.Errorf("an ejection at %v times the median would take half of the pool: more than 1 is right, or 0 for never", e.Slow))
	}
	if e.Hold < 0 {
		faults = append(faults, fmt.Errorf("a hold of %v: a positive time is right, or 0 for %v", e.Hold, defaultHold))
	}
	return errors.Join(faults...)
}
