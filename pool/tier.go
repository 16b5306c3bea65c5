package pool

import "slices"

// A ranking orders the backends of one tier that may take a session now. The Pool's mutex guards it.
type ranking interface {
	add(b *Backend)           // b may take sessions from now on
	remove(b *Backend)        // b may not any more: it is full, down, ejected, draining or removed
	changed(b *Backend)       // b's active sessions or its measured times have changed
	next(r *Request) *Backend // the one whose turn it is, not among r.Tried; nil if there is none. That ends its turn

	// prepare allocates, without the mutex, what the ranking needs for the members that the tier will have. Update
	// calls install with the mutex held: it empties the ranking and puts that in place. So add, remove, changed and
	// next allocate nothing.
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
	backends int            // configured ones
	serving  int            // of these, those that may take sessions; full ones count
	weight   int            // of those that serve
	active   int            // sessions on those that serve
	open     int            // how many the ranking holds
	trials   list[*Backend] // ejected backends that a session may try now
}

// lease counts one more session on b. b leaves the ranking if it is full then. If b's hold is over, this session is its
// trial, and no other is needed.
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

// leave counts one session less on b: the caller has lowered its count.
func (t *tier) leave(b *Backend) {
	if b.serving {
		t.active--
		t.settle(b)
	}
}

// pick chooses a backend for r, nil if there is none. A backend that waits for its trial comes first, where r has tried
// none yet.
func (t *tier) pick(r *Request) *Backend {
	if t.trials.head != nil && len(r.Tried) == 0 {
		if b := t.trial(); b != nil {
			return b
		}
	}
	return t.next(r)
}

// trial returns the first backend that waits for its trial and has room. Those before it are full of sessions from
// before their ejection, and go to the end of the list; they are few, if any.
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

// mayServe reports whether any backend could take a session.
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

// settle puts b into the ranking, takes it out or moves it, after its sessions or its limit have changed.
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

// join makes b a member of the tier. It does not serve yet.
func (t *tier) join(b *Backend) {
	b.tier, b.index = t, t.backends
	t.backends++
}

// enlist lets b serve from now on.
func (t *tier) enlist(b *Backend) {
	b.serving = true
	t.serving++
	t.weight += b.weight
	t.active += b.sessions()
	t.settle(b)
}

// dismiss stops b from serving.
func (t *tier) dismiss(b *Backend) {
	b.serving = false
	t.serving--
	t.weight -= b.weight
	t.active -= b.sessions()
	t.settle(b)
}

// empty sets t's counts to those of no backends, before install is called.
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
