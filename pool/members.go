package pool

// Backends returns the configured backends in the order of the configuration, then the removed ones that still have
// sessions.
func (p *Pool) Backends() []*Backend {
	members := *p.members.Load()
	all := make([]*Backend, len(members))
	for i, m := range members {
		all[i] = m.Backend
	}
	return all
}

// Changed returns a channel. It is closed as soon as Backends returns others than now, or a backend stops draining.
func (p *Pool) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// Count returns how many backends are configured and do not drain, and how many of these are up.
func (p *Pool) Count() (up, all int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.census[standingUp], p.census.configured()
}

// Backend returns the configured backend of the given name, nil if there is none.
func (p *Pool) Backend(name string) *Backend {
	for _, m := range configured(*p.members.Load()) {
		if m.name == name {
			return m.Backend
		}
	}
	return nil
}
