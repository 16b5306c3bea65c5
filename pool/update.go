package pool

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// maxBackends is how many backends a pool can have.
const maxBackends = 1<<16 - 1

// A member is a backend with its configuration.
type member struct {
	*Backend
	config  Config
	removed bool // from the configuration; it has sessions left
}

// Update makes backends the configuration. A Config with the name and addresses of a present backend is that backend:
// it keeps its sessions, counters and state, and takes the new weight and limits. The other present backends are
// removed: they get no more sessions, and are forgotten when their last one ends. If they are configured again before
// that, they go on. Clients that wait get what room there is before Update returns. An Update without a change does
// nothing. The error names every fault; then nothing has changed.
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
	p.replace(members, func() { installPrimary(); installBackup() })
	return nil
}

// configured returns the members that are configured: they come first.
func configured(members []member) []member {
	n := slices.IndexFunc(members, func(m member) bool { return m.removed })
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
	present := make(map[string][]*Backend) // by name; a removed one with sessions may share its name with another
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

// find returns the backend of present that has c's addresses, or a new one.
func (p *Pool) find(present []*Backend, c Config) *Backend {
	for _, b := range present {
		if slices.Equal(b.addrs, c.Addrs) {
			return b
		}
	}
	return p.newBackend(c)
}

func (p *Pool) newBackend(c Config) *Backend {
	b := &Backend{pool: p, name: c.Name, addrs: c.Addrs, doubted: make(chan struct{}, 1), standing: standingRemoved}
	b.recent.of, b.held.of = b, b
	b.seen = p.booted
	if p.options.Initial == Down {
		b.accusers.add(Start)
		b.state.Store(uint32(Down))
	}
	return b
}

// split divides members by tier.
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

// replace makes members the pool's. It calls install when the old ones have left the tiers and the new ones have not
// joined.
func (p *Pool) replace(members []member, install func()) {
	p.mu.Lock()
	defer p.release()
	old, joined := *p.members.Load(), p.joined(members)
	for _, m := range old {
		m.withdrawTrialLocked()
		m.tier, m.ranked, m.serving = nil, false, false
	}
	p.primary.empty()
	p.backup.empty()
	install()
	for _, m := range members {
		m.weight, m.maxConns = int(m.config.Weight), m.config.MaxConns
		p.tierOf(m).join(m.Backend)
	}
	for _, b := range joined {
		b.beginRampLocked()
	}
	p.setMembersLocked(append(members, removed(old)...))
	p.openLocked(old)
}

// joined returns the members that begin to serve now and were not configured before. When the pool is made there are
// none.
func (p *Pool) joined(members []member) []*Backend {
	var joined []*Backend
	for _, m := range members {
		if m.tier == nil && p.booted && m.State() == Up && !m.Draining() {
			joined = append(joined, m.Backend)
		}
	}
	return joined
}

// openLocked lets the members serve that may, after the members have changed. old are those before the change.
func (p *Pool) openLocked(old []member) {
	members := *p.members.Load()
	for _, m := range slices.Concat(old, members) {
		m.setShareLocked()
		p.takeCensusLocked(m.Backend)
	}
	p.gate = p.gateNow()
	for _, m := range members {
		p.passLocked(m.Backend)
		p.offerTrialLocked(m.Backend)
	}
	p.serveLocked()
}

func (p *Pool) tierOf(m member) *tier {
	if m.config.Backup {
		return &p.backup
	}
	return &p.primary
}

// removed returns the members of old that are in no tier any more and still have sessions.
func removed(old []member) []member {
	var left []member
	for _, m := range old {
		if m.tier == nil && m.sessions() > 0 {
			m.removed = true
			left = append(left, m)
		}
	}
	return left
}

// forgetLocked drops the removed backend b if its last session has ended.
func (p *Pool) forgetLocked(b *Backend) {
	if b.sessions() > 0 {
		return
	}
	members := slices.DeleteFunc(slices.Clone(*p.members.Load()), func(m member) bool { return m.Backend == b })
	p.setMembersLocked(members)
}

// setMembersLocked replaces the members, and tells those who wait on Changed.
func (p *Pool) setMembersLocked(members []member) {
	p.members.Store(&members)
	p.tellChangeLocked()
}

func (p *Pool) tellChangeLocked() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Validate returns every fault of o, joined.
func (o Options) Validate() error {
	var faults []error
	if o.Policy >= policyCount {
		faults = append(faults, fmt.Errorf("%v is no policy", o.Policy))
	}
	if o.Queue < 0 {
		faults = append(faults, fmt.Errorf("a queue of %d: 0 (none) or more is right", o.Queue))
	}
	if o.LoadFactor != 0 && !(o.LoadFactor >= 1) {
		faults = append(faults, fmt.Errorf(
			"a load factor of %v leaves sessions without a place: 1 or more is right, or 0 for no bound", o.LoadFactor))
	}
	if o.WhenAllDown > RefuseDown {
		faults = append(faults, fmt.Errorf("%v is no answer to all backends being down", o.WhenAllDown))
	}
	if !(o.Panic >= 0 && o.Panic <= 1) {
		faults = append(faults, fmt.Errorf("a panic below a share of %v: from 0 (never) to 1 is right", o.Panic))
	}
	if o.Panic > 0 && o.WhenAllDown == RefuseDown {
		faults = append(faults, errors.New("to panic is to use backends that are down, and when all are down sessions would be refused: one of the two is right"))
	}
	if o.SlowStart < 0 {
		faults = append(faults, fmt.Errorf("a slow start of %v: a positive time is right, or 0 for none", o.SlowStart))
	}
	if o.Initial != Up && o.Initial != Down {
		faults = append(faults, fmt.Errorf("backends that are %v at first: up or down is right", o.Initial))
	}
	faults = append(faults, o.Ejection.validate())
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
