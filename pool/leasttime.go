package pool

import "time"

// refreshEvery is how often least-time picks the backend that was picked longest ago instead of the best one: one pick
// in 32. So no old measurement is believed for ever.
const refreshEvery = 32

// doubtfulTime is the least connect time that is assumed of a backend whose last session failed, and the one assumed
// where the first session is still connecting.
const doubtfulTime = time.Second

// leastTime picks the backend with the smallest product of smoothed connect time and sessions for its weight, the new
// session included. A backend that was never measured comes first, but gets one session at a time until it is. One
// whose last session failed counts as slow until a refresh finds it well. Equal ones take turns by weight.
type leastTime struct {
	heap
	now    turn           // the turn of the last pick
	picks  uint64         // how many were made
	recent list[*Backend] // the backends of the heap, the one picked longest ago first
}

func newLeastTime() *leastTime {
	return &leastTime{heap: heap{before: func(b, c *Backend) bool {
		if b.cost != c.cost {
			return b.cost < c.cost
		}
		return b.dueBefore(c)
	}}}
}

func (p *leastTime) prepare(members []member) (install func()) {
	installHeap := p.heap.prepare(members)
	return func() {
		installHeap()
		p.recent = list[*Backend]{}
	}
}

func (p *leastTime) add(b *Backend) {
	b.cost = b.connectCost()
	b.turn = b.rejoin(p.now)
	p.push(b)
	p.recent.push(&b.recent)
}

func (p *leastTime) remove(b *Backend) {
	p.heap.remove(b)
	p.recent.remove(&b.recent)
}

func (p *leastTime) changed(b *Backend) {
	b.cost = b.connectCost()
	p.fix(b)
}

// next moves the turn of the backend that it returns. Each pick is followed by changed or remove, which restore the
// order of the heap.
func (p *leastTime) next(r *Request) *Backend {
	b := p.choose(r)
	if b == nil {
		return nil
	}
	p.picks++
	p.now = b.turn.since(p.now, b.weight)
	b.turn = b.nextAfter(p.now)
	p.recent.remove(&b.recent)
	p.recent.push(&b.recent)
	return b
}

func (p *leastTime) choose(r *Request) *Backend {
	if (p.picks+1)%refreshEvery != 0 {
		return p.first(r)
	}
	for n := p.recent.head; n != nil; n = n.next { // passes over as many as r has tried at most
		if !r.tried(n.of) {
			return n.of
		}
	}
	return nil
}

// connectCost returns what leastTime compares. A float64 is exact enough for measurements.
func (b *Backend) connectCost() float64 {
	took := b.connect.duration()
	switch {
	case b.failing:
		took = max(took, doubtfulTime)
	case took == 0 && b.sessions() == 0:
		return 0
	case took == 0:
		took = doubtfulTime
	}
	return float64(took) * float64(b.sessions()+1) / float64(b.share)
}
