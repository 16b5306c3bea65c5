package pool

import "time"

// rampSteps is in how many equal steps a backend's share grows to the whole while it starts slowly: fine enough that no
// step is a flood, and a power of two, so that shares of weights are exact.
const rampSteps = 32

// A ramp is a slow start under way. At step n of rampSteps the backend counts with n/rampSteps of its weight.
type ramp struct {
	step  int
	carry int // what is left of the division in nextAfter
	timer *time.Timer
}

// beginRampLocked makes b's share small. It is not in a ranking now.
func (b *Backend) beginRampLocked() {
	p := b.pool
	if p.options.SlowStart == 0 {
		return
	}
	r := &ramp{step: 1}
	b.ramp = r
	b.turn = turn{} // which turn it had is forgotten
	b.setShareLocked()
	r.timer = time.AfterFunc(p.options.SlowStart/rampSteps, func() { p.climb(b, r) })
}

// coldLocked reports whether all backends were down a short time ago. Those that are up have not been for longer than a
// slow start takes, so who follows them needs none: else the first would carry nearly all.
func (p *Pool) coldLocked() bool { return !p.lit.IsZero() && time.Since(p.lit) < p.options.SlowStart }

// endRampLocked gives b its whole share.
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

// reshareLocked takes b's share anew and has it ranked by that.
func (b *Backend) reshareLocked() {
	if b.ranked {
		b.tier.remove(b)
		b.setShareLocked()
		b.tier.add(b)
		return
	}
	b.setShareLocked()
}

// setShareLocked works out what b counts for. It must not be ranked meanwhile: the order of a ranking hangs on it.
func (b *Backend) setShareLocked() {
	step := rampSteps
	if b.ramp != nil {
		step = b.ramp.step
	}
	b.share = b.weight * step
	b.step.Store(int32(step))
}

// nextAfter returns b's turn after t, at which it was picked: the following, or while it starts slowly the one that is
// so many turns later that it gets its share.
func (b *Backend) nextAfter(t turn) turn {
	if b.ramp == nil {
		return t.following()
	}
	return b.ramp.nextAfter(t)
}

// nextAfter makes one turn of as many as the share is short.
func (r *ramp) nextAfter(t turn) turn {
	owed := rampSteps + r.carry
	r.carry = owed % r.step
	return t.after(owed / r.step)
}

// rejoin returns b's turn in a ranking whose last turn was now.
func (b *Backend) rejoin(now turn) turn {
	if b.ramp == nil {
		return b.turn.since(now, b.weight)
	}
	next := turn{}.since(now, b.weight).after(rampSteps / b.ramp.step)
	if b.turn.of == b.weight && !b.turn.before(now) && b.turn.before(next) {
		return b.turn // as the step before had it
	}
	return next
}

// passes reports whether b, of the policy first, lets a session go by while it starts slowly.
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

// attracts reports whether b, of the source policy, takes the client of key while it starts slowly. A client that it
// took once it takes at each later step.
func (b *Backend) attracts(key uint64) bool {
	return b.ramp == nil || int(mix(key^0x510e527fade682d1)%rampSteps) < b.ramp.step
}
