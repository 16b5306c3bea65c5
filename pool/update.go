package pool

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// maxBackends is how many backends a pool can have.
const maxBackends = 1<<16 - 1

// A member is a backend and how it is configured.
type member struct {
	*Backend
	config   Config
	draining bool
}

// Update makes backends the configuration. One that has the name and addresses of a backend that is there is that backend: it keeps its
// sessions and counters, and takes the new weight and limits. The others that are there drain: they get no more sessions, and are
// forgotten when their last one ends; if they are configured again before that, they go on. Clients that wait have what room there is
// now before Update returns. One that changes nothing disturbs nothing. The error names every fault; nothing has changed then.
func (p *Pool) Update(backends []Config) error {
	if err := validateConfigs(backends); err != nil {
		return err
	}
	p.updating.Lock()
	defer p.updating.Unlock()
	members := p.reconcile(backends)
	if slices.EqualFunc(members, configured(*p.members.Load()), member.same) {
		return nil
	}
	primaries, backups := split(members)
	installPrimary, installBackup := p.primary.prepare(primaries), p.backup.prepare(backups)
	p.replace(members, func() { installPrimary(); installBackup() }).tell()
	return nil
}

// configured returns those of members that do not drain: they come first.
func configured(members []member) []member {
	n := slices.IndexFunc(members, func(m member) bool { return m.draining })
	if n < 0 {
		n = len(members)
	}
	return members[:n]
}

// same reports whether m and n are the same backend with the same weight, limit and tier.
func (m member) same(n member) bool {
	a, b := m.config, n.config
	return m.Backend == n.Backend && a.Weight == b.Weight && a.MaxConns == b.MaxConns && a.Backup == b.Backup
}

// reconcile finds or makes the backend of each Config.
func (p *Pool) reconcile(backends []Config) []member {
	present := make(map[string][]*Backend) // by name: while one drains, another may have its name at other addresses
	for _, m := range *p.members.Load() {
		present[m.name] = append(present[m.name], m.Backend)
	}
	members := make([]member, len(backends))
	for i, c := range backends {
		c.Addrs = slices.Clone(c.Addrs)
		c.Weight = max(c.Weight, 1)
		members[i] = member{Backend: p.find(present[c.Name], c), config: c}
	}
	return members
}

// find returns the one of present that is c, or a new backend.
func (p *Pool) find(present []*Backend, c Config) *Backend {
	for _, b := range present {
		if slices.Equal(b.addrs, c.Addrs) {
			return b
		}
	}
	b := &Backend{pool: p, name: c.Name, addrs: c.Addrs}
	b.recent.of = b
	return b
}

// split parts members by tier.
func split(members []member) (primaries, backups []member) {
	for _, m := range members {
		if m.config.Backup {
			backups = append(backups, m)
		} else {
			primaries = append(primaries, m)
		}
	}
	return primaries, backups
}

// replace puts members in the place of those there are, and calls install between.
func (p *Pool) replace(members []member, install func()) grants {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := *p.members.Load()
	for _, m := range old {
		m.tier, m.ranked = nil, false
	}
	p.primary.empty()
	p.backup.empty()
	install()
	for _, m := range members {
		m.weight, m.maxConns = int(m.config.Weight), m.config.MaxConns
		p.tierOf(m).join(m.Backend)
	}
	members = append(members, draining(old)...)
	p.members.Store(&members)
	return p.serveLocked()
}

func (p *Pool) tierOf(m member) *tier {
	if m.config.Backup {
		return &p.backup
	}
	return &p.primary
}

// draining returns those of old that are in no tier any more and have sessions left.
func draining(old []member) []member {
	var left []member
	for _, m := range old {
		if m.tier == nil && m.sessions() > 0 {
			m.draining = true
			left = append(left, m)
		}
	}
	return left
}

// forgetLocked drops b, which drains, if its last session has ended.
func (p *Pool) forgetLocked(b *Backend) {
	if b.sessions() > 0 {
		return
	}
	members := slices.DeleteFunc(slices.Clone(*p.members.Load()), func(m member) bool { return m.Backend == b })
	p.members.Store(&members)
}

func (o Options) validate() error {
	var faults []error
	if o.Policy >= policyCount {
		faults = append(faults, fmt.Errorf("%v is no policy", o.Policy))
	}
	if o.Queue < 0 {
		faults = append(faults, fmt.Errorf("a queue of %d: 0 (none) or more is right", o.Queue))
	}
	if o.LoadFactor != 0 && !(o.LoadFactor >= 1) {
		faults = append(faults, fmt.Errorf("a load factor of %v leaves sessions without a place: 1 or more is right, or 0 for no bound", o.LoadFactor))
	}
	return errors.Join(faults...)
}

// validateConfigs returns every fault of backends, joined.
func validateConfigs(backends []Config) error {
	var faults []error
	if len(backends) > maxBackends {
		faults = append(faults, fmt.Errorf("%d backends; a pool holds up to %d", len(backends), maxBackends))
	}
	names := make(map[string]int)
	for i, c := range backends {
		if err := c.validate(); err != nil {
			faults = append(faults, fmt.Errorf("backend %s: %w", cmp.Or(c.Name, fmt.Sprint("number ", i+1)), err))
		}
		if names[c.Name]++; names[c.Name] == 2 && c.Name != "" {
			faults = append(faults, fmt.Errorf("two backends are named %s: a name stands for one", c.Name))
		}
	}
	return errors.Join(faults...)
}

func (c Config) validate() error {
	switch {
	case c.Name == "":
		return errors.New("it has no name")
	case len(c.Addrs) == 0:
		return errors.New("it has no address")
	case slices.ContainsFunc(c.Addrs, Address.IsZero):
		return errors.New("one of its addresses is empty")
	case c.Weight > MaxWeight:
		return fmt.Errorf("a weight of %d: 1 to %d is right", c.Weight, MaxWeight)
	case c.MaxConns < 0:
		return fmt.Errorf("a limit of %d sessions: 0 (none) or more is right", c.MaxConns)
	}
	return nil
}
