package pool

// Drain lets b get no more sessions until Resume, whatever its state is. The sessions that it has go on. Only the
// operator drains and resumes: no check and no Update takes it back. A backend that drains does not count among those
// that are up.
func (b *Backend) Drain() { b.setDraining(true) }

// Resume ends what Drain began. The backend starts slowly, as one that recovered does.
func (b *Backend) Resume() { b.setDraining(false) }

// Draining reports whether b drains.
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
