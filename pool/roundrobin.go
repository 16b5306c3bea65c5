package pool

// roundRobin picks the backends in the order in which their turns are due. With weights 3 and 1 that is a a b a: evenly
// spread, and exact however many goroutines pick. Turns that are due at the same moment follow the order of the
// configuration.
type roundRobin struct {
	heap
	now   turn // the earliest turn that was due at the last pick
	index int  // of the backend that was due; those before it that were due at the same moment have had their turn
}

func newRoundRobin() *roundRobin {
	return &roundRobin{heap: heap{before: (*Backend).dueBefore}}
}

func (p *roundRobin) add(b *Backend) {
	b.turn = b.rejoin(p.now)
	if !p.now.before(b.turn) && b.index < p.index {
		b.turn = b.turn.following()
	}
	p.push(b)
}

func (p *roundRobin) changed(*Backend) {}

func (p *roundRobin) next(r *Request) *Backend {
	b := p.first(r)
	if b == nil {
		return nil
	}
	due := p.items[0] // b itself, or one that r has tried: that one's turn comes next
	p.now, p.index = due.turn, due.index
	b.turn = b.nextAfter(b.turn)
	p.fix(b)
	return b
}
