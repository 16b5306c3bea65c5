package pool

import "time"

// rampSteps is the number of equal steps in which a backend's share grows while it starts slowly. There are so many
// that no step brings a flood of sessions. It is a power of two, so that shares of weights are exact.
const rampSteps = 32

// A ramp is a slow start under way. At step n of rampSteps the backend counts with n/rampSteps of its weight.
type ramp struct {
	step  int
	carry int // the remainder of the division in nextAfter
	timer *time.Timer
}

// beginRampLocked begins b's slow start with the smallest share. b must not be in a ranking.
func (b *Backend) beginRampLocked() {
	p := b.pool
	if p.options.SlowStart == 0 {
		return
	}
	r := &ramp{step: 1}
	b.ramp = r
	b.turn = turn{} // its old turn does not count
	b.setShareLocked()
	r.timer = time.AfterFunc(p.options.SlowStart/rampSteps, func() { p.climb(b, r) })
}

// coldLocked reports whether no backend was up a short time ago. Those that are up now have not been up for longer than
// a slow start takes, so one that follows them needs no slow start: with one, the first backend would get nearly all
// sessions.
func (p *Pool) coldLocked() bool { return !p.lit.IsZero() && time.Since(p.lit) < p.options.SlowStart }

// endRampLocked ends b's slow start: it has its whole share again.
func (b *Backend) endRampLocked() {
	if b.ramp == nil {
		return
	}
	b.ramp.timer.Stop()
	b.ramp = nil
	b.reshareLocked()
}

// climb makes b's share one step larger.
func (p *Pool) climb(b *Backend, r *ramp) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.ramp != r {
		return
	}
	if r.step++; r.step == rampSteps {
		b.endRampLocked()
		return
	}
	r.timer.Reset(p.options.SlowStart / rampSteps)
	b.reshareLocked()
}

// reshareLocked computes b's share again, and ranks b by it.
func (b *Backend) reshareLocked() {
	if b.ranked {
		b.tier.remove(b)
		b.setShareLocked()
		b.tier.add(b)
		return
	}
	b.setShareLocked()
}

// setShareLocked computes b's share. b must not be in a ranking meanwhile, since the order of a ranking depends on
// shares.
func (b *Backend) setShareLocked() {
	step := rampSteps
	if b.ramp != nil {
		step = b.ramp.step
	}
	b.share = b.weight * step
	b.step.Store(int32(step))
}

// nextAfter returns b's next turn after t, the turn at which it was picked. That is the following turn, or during a
// slow start a later one, so that b gets no more than its share.
func (b *Backend) nextAfter(t turn) turn {
	if b.ramp == nil {
		return t.following()
	}
	return b.ramp.nextAfter(t)
}

// nextAfter returns the turn rampSteps/r.step turns after t. The remainder of that division is carried to the next
// call.
func (r *ramp) nextAfter(t turn) turn {
	owed := rampSteps + r.carry
	r.carry = owed % r.step
	return t.after(owed / r.step)
}

// rejoin returns b's turn when it is added to a ranking whose last turn was now.
func (b *Backend) rejoin(now turn) turn {
	if b.ramp == nil {
		return b.turn.since(now, b.weight)
	}
	next := turn{}.since(now, b.weight).after(rampSteps / b.ramp.step)
	if b.turn.of == b.weight && !b.turn.before(now) && b.turn.before(next) {
		return b.turn // the turn that the step before gave it
	}
	return next
}

// passes reports whether the policy first passes over b this time, because b starts slowly.
func (b *Backend) passes() bool {
	if b.ramp == nil {
		return false
	}
	b.ramp.carry += b.ramp.step
	if b.ramp.carry < rampSteps {
		return true
	}
	b.ramp.carry -= rampSteps
	return false
}

// attracts reports whether the source policy gives b the client with key, also while b starts slowly. A client that b
// has at one step it has at each later one.
func (b *Backend) attracts(key uint64) bool {
	return b.ramp == nil || int(mix(key^0x510e527fade682d1)%rampSteps) < b.ramp.step
}
