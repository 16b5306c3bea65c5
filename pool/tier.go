package pool

import "slices"

// A ranking orders the backends of one tier that may take a session now. The Pool's mutex guards it.
type ranking interface {
	add(b *Backend)           // b may take sessions from now on
	remove(b *Backend)        // b may not: it is full or draining
	changed(b *Backend)       // b's active sessions or its measured times have changed
	next(r *Request) *Backend // the one whose turn it is, not among r.Tried; nil if there is none. Its turn is then over

	// prepare makes ready, without the mutex, for the members that the tier will have. Update calls install with the mutex held: it
	// empties the ranking and puts what was made ready in place, so that add, remove, changed and next allocate nothing.
	prepare(members []member) (install func())
}

// newRanking returns the ranking of o.Policy for t.
func newRanking(o Options, t *tier) ranking {
	switch o.Policy {
	case LeastConn:
		return newLeastConn()
	case Random:
		return newRandom()
	case Source:
		return newSource(t, o.LoadFactor)
	case First:
		return newInOrder()
	case LeastTime:
		return newLeastTime()
	}
	return newRoundRobin()
}

// A tier is the primary backends or the backups.
type tier struct {
	ranking
	backends int // that are configured, full ones included
	weight   int // of these together
	active   int // sessions on these together
	open     int // how many the ranking holds
}

// lease counts one more session on b. It leaves the ranking if that filled it.
func (t *tier) lease(b *Backend) Lease {
	b.active.Add(1)
	b.picks.Add(1)
	t.active++
	t.settle(b)
	return Lease{backend: b}
}

// settle puts b into the ranking, takes it out, or moves it within, after its sessions or its limit have changed.
func (t *tier) settle(b *Backend) {
	switch {
	case b.ranked && b.room():
		t.changed(b)
	case b.ranked:
		t.remove(b)
		b.ranked = false
		t.open--
	case b.room():
		t.add(b)
		b.ranked = true
		t.open++
	}
}

// join makes b one of the tier's.
func (t *tier) join(b *Backend) {
	b.tier, b.index = t, t.backends
	t.backends++
	t.weight += b.weight
	t.active += b.sessions()
	t.settle(b)
}

// empty makes t that of no backends, for install to be called.
func (t *tier) empty() { t.backends, t.weight, t.active, t.open = 0, 0, 0, 0 }

// untried counts the backends of t, full ones included, that r has not tried.
func (t *tier) untried(r *Request) int {
	n := t.backends
	for i, b := range r.Tried {
		if b.tier == t && !slices.Contains(r.Tried[:i], b) {
			n--
		}
	}
	return n
}
