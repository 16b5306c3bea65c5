package pool

// Drain has b get no more sessions, whatever its state, until Resume; those that it has go on. It is the operator's
// word, so nothing else takes it back: not a check, not an Update. A backend that drains does not count among those
// that are up.
func (b *Backend) Drain() { b.setDraining(true) }

// Resume ends what Drain began. It takes the backend back gently, as one that recovered.
func (b *Backend) Resume() { b.setDraining(false) }

// Draining reports whether the operator has b drain.
func (b *Backend) Draining() bool { return b.draining.Load() }

func (b *Backend) setDraining(draining bool) {
	p := b.pool
	p.mu.Lock()
	defer p.release()
	if b.draining.Load() == draining {
		return
	}
	b.draining.Store(draining)
	if !draining {
		p.tellChangeLocked()
	}
	b.endRampLocked()
	p.takeCensusLocked(b)
	if b.standing == standingUp {
		b.beginRampLocked()
	}
	b.withdrawTrialLocked()
	p.admitLocked(b)
	p.offerTrialLocked(b)
	p.serveLocked()
}
