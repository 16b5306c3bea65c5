package pool

import (
	"errors"
	"fmt"
	"time"
)

// An Ejection says when sessions that fail take their backend out of use. The zero Ejection never does.
//
// At most half of the pool's backends are ejected at a time, and never the last that is up: where most fail, the fault
// is likely to be this machine's, and a doubtful backend is better than none. For the same reason a session that has
// tried all others is sent to those ejected.
type Ejection struct {
	// After is how many connections in a row must fail, or how many sessions in a row must end between the connection
	// and the backend's first byte. The latter may be a client's doing, so it counts only with other evidence: see row.
	// 0: any number may.
	After int

	// Share is the share of sessions, among at least 20 begun within 10 s, that must fail, in a row or not, with the
	// same restriction. It is above 0 and up to 1; 0: any share may.
	Share float64

	// Slow is how many times the pool's median a backend's connect time or its time to the first byte must be, for
	// three windows of CompareTimes. It is above 1; 0: it may take any time.
	Slow float64

	// Hold is how long the first ejection lasts; 0 means 5 s. Each that follows lasts twice as long as the one before,
	// up to 5 min, and up to a quarter more by chance. A backend that has then been up for 5 min begins anew.
	Hold time.Duration
}

const (
	defaultHold = 5 * time.Second
	maxHold     = 5 * time.Minute
	holdJitter  = 0.25 // so that many balancers do not come back to a backend together
)

// A hold is the time of one ejection, and what follows until it is decided.
type hold struct {
	timer *time.Timer
	until time.Time
	over  bool           // a session or a check may readmit the backend
	place node[*Backend] // among its tier's trials, while it waits for a session that tries it
}

// failedLocked takes in that the session of l failed, and ejects its backend if that is enough.
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
	return b.standing == standingUp && p.census[standingUp] > 1 && 2*(p.census[standingEjected]+1) <= p.census.configured()
}

func (p *Pool) ejectLocked(b *Backend, e Evidence) {
	now := time.Now()
	p.holdLocked(b, now)
	p.reviewLocked(b, now, e)
}

// holdAgainLocked ejects b anew, whose trial failed: for as long as before where its client may be why.
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

// onTrial reports whether b's hold is over, so that a session or a check decides.
func (b *Backend) onTrial() bool { return b.hold != nil && b.hold.over }

// holdOver lets b, after h, be tried: by a check where there are checks, else by a session.
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

// offerTrialLocked puts b among those that the next session tries, unless a check does.
func (p *Pool) offerTrialLocked(b *Backend) {
	if h := b.hold; h != nil && !p.options.Checks && b.standing == standingEjected && h.over && !h.place.linked {
		b.tier.trials.push(&h.place)
	}
}

// readmitLocked ends b's ejection. The row of sessions without an answer stays, but for the last, as a warning until
// the backend has sent a byte: being connected to proves little then.
func (p *Pool) readmitLocked(b *Backend, e Evidence) {
	warning := b.row.warning(p.options.Ejection.After, p.past.all)
	b.acquitLocked()
	b.row = warning
	p.reviewLocked(b, time.Now(), e)
}

// lastResortLocked picks an ejected backend for r, which has tried all others: to be doubted is better than to be known
// to fail.
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

// triedLocked takes in that a session that tried b was connected.
func (p *Pool) triedLocked(b *Backend, took time.Duration) {
	if b.onTrial() {
		p.readmitLocked(b, Evidence{Witness: Traffic, Reason: "the session that tried it was connected", Took: took})
	}
}

// acquitLocked drops what traffic has against b, but for the number of its ejections.
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
	default: // one is asked for already
	}
}

// Doubted tells that traffic has found fault with b, was let in by a b that is down, or would have an ejected b tried:
// check it now. One value stands for any number of faults.
func (b *Backend) Doubted() <-chan struct{} { return b.doubted }

func (e Ejection) validate() error {
	var faults []error
	if e.After < 0 {
		faults = append(faults, fmt.Errorf("an ejection after %d failures: 1 or more is right, or 0 for never", e.After))
	}
	if !(e.Share >= 0 && e.Share <= 1) {
		faults = append(faults, fmt.Errorf("an ejection at a share of %v: above 0 and up to 1 is right, or 0 for never", e.Share))
	}
	if e.Slow != 0 && !(e.Slow > 1) {
		faults = append(faults, fmt.Errorf("an ejection at %v times the median would take half of the pool: more than 1 is right, or 0 for never", e.Slow))
	}
	if e.Hold < 0 {
		faults = append(faults, fmt.Errorf("a hold of %v: a positive time is right, or 0 for %v", e.Hold, defaultHold))
	}
	return errors.Join(faults...)
}
