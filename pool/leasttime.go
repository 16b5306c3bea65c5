package pool

import "time"

// refreshEvery is how often least-time goes to the backend that was picked longest ago instead of the best: one pick in
// 32 is little to pay for never believing an old measurement for ever.
const refreshEvery = 32

// doubtfulTime is what a backend counts as, if it was not slower, whose last session failed, or whose first is still
// connecting.
const doubtfulTime = time.Second

// leastTime picks the backend with the smallest product of smoothed connect time and sessions, the new one included,
// for its weight. A backend that was never measured comes first, but with one session at a time until it is, so that no
// herd runs into the unknown. One whose last session failed stands back until a refresh finds it well. Among equals it
// goes round by weight.
type leastTime struct {
	heap
	now    turn           // the turn of the last pick
	picks  uint64         // those made
	recent list[*Backend] // those in the heap, the one picked longest ago first
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

// next changes the turn of the backend that it returns; changed or remove, which follow a pick, put the heap right.
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
	for n := p.recent.head; n != nil; n = n.next { // passes over no more than r has tried
		if !r.tried(n.of) {
			return n.of
		}
	}
	return nil
}

// connectCost is what leastTime compares. A float64 is exact enough: costs are measurements.
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
