package pool

import "slices"

// A ranking orders the backends of one tier that may take a session now. The Pool's mutex guards it.
type ranking interface {
	add(b *Backend)           // b may take sessions from now on
	remove(b *Backend)        // b may not: it is full, down, draining or removed
	changed(b *Backend)       // b's active sessions or its measured times have changed
	next(r *Request) *Backend // the one whose turn it is, not among r.Tried; nil if there is none. Its turn is then over

	// prepare makes ready, without the mutex, for the members that the tier will have. Update calls install with the
	// mutex held: it empties the ranking and puts what was made ready in place, so that add, remove, changed and next
	// allocate nothing.
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
	backends int            // that are configured
	serving  int            // of these, that may take sessions, full ones included
	weight   int            // of those that serve
	active   int            // sessions on those that serve
	open     int            // how many the ranking holds
	trials   list[*Backend] // those ejected whose time it is for a session to try them
}

// lease counts one more session on b. It leaves the ranking if that filled it. Whoever comes to one whose hold is over
// tries it, and no other need to.
func (t *tier) lease(b *Backend) Lease {
	trial := b.onTrial()
	if trial {
		b.withdrawTrialLocked()
	}
	b.active.Add(1)
	b.picks.Add(1)
	if b.serving {
		t.active++
		t.settle(b)
	}
	return Lease{backend: b, trial: trial}
}

// leave takes in that one session on b has ended.
func (t *tier) leave(b *Backend) {
	if b.serving {
		t.active--
		t.settle(b)
	}
}

// pick chooses a backend for r, nil if there is none: one that is to be tried goes first, where r has another try if it
// fails.
func (t *tier) pick(r *Request) *Backend {
	if t.trials.head != nil && len(r.Tried) == 0 {
		if b := t.trial(); b != nil {
			return b
		}
	}
	return t.next(r)
}

// trial takes the first that is to be tried and has room. Those before it, full of sessions from before they were
// ejected, wait behind the others; they are few, if any.
func (t *tier) trial() *Backend {
	for range t.trials.length {
		n := t.trials.head
		if n.of.room() {
			return n.of
		}
		t.trials.remove(n)
		t.trials.push(n)
	}
	return nil
}

// mayServe reports whether there is a backend that could take a session.
func (t *tier) mayServe() bool {
	if t.open > 0 {
		return true
	}
	for n := t.trials.head; n != nil; n = n.next {
		if n.of.room() {
			return true
		}
	}
	return false
}

// settle puts b into the ranking, takes it out, or moves it within, after its sessions or its limit have changed.
func (t *tier) settle(b *Backend) {
	may := b.serving && b.room()
	switch {
	case b.ranked && may:
		t.changed(b)
	case b.ranked:
		t.remove(b)
		b.ranked = false
		t.open--
	case may:
		t.add(b)
		b.ranked = true
		t.open++
	}
}

// join makes b one of the tier's, which does not serve yet.
func (t *tier) join(b *Backend) {
	b.tier, b.index = t, t.backends
	t.backends++
}

// enlist lets b serve.
func (t *tier) enlist(b *Backend) {
	b.serving = true
	t.serving++
	t.weight += b.weight
	t.active += b.sessions()
	t.settle(b)
}

// dismiss lets b serve no more.
func (t *tier) dismiss(b *Backend) {
	b.serving = false
	t.serving--
	t.weight -= b.weight
	t.active -= b.sessions()
	t.settle(b)
}

// empty makes t that of no backends, for install to be called.
func (t *tier) empty() { t.backends, t.serving, t.weight, t.active, t.open = 0, 0, 0, 0, 0 }

// untried counts the backends of t that serve, full ones included, and that r has not tried.
func (t *tier) untried(r *Request) int {
	n := t.serving
	for i, b := range r.Tried {
		if b.tier == t && b.serving && !slices.Contains(r.Tried[:i], b) {
			n--
		}
	}
	return n
}
