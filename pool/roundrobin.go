package pool

// roundRobin gives the backends their turns in the order they are due: with weights 3 and 1 that is a a b a, smooth and exact however many
// goroutines pick. Those due at the same moment go in the order of the configuration.
type roundRobin struct {
	heap
	now turn // the earliest turn that was due at the last pick
}

func newRoundRobin() *roundRobin {
	return &roundRobin{heap: heap{before: (*Backend).dueBefore}}
}

func (p *roundRobin) add(b *Backend) {
	b.turn = b.turn.since(p.now, b.weight)
	p.push(b)
}

func (p *roundRobin) changed(*Backend) {}

func (p *roundRobin) next(r *Request) *Backend {
	b := p.first(r)
	if b == nil {
		return nil
	}
	p.now = p.items[0].turn // b itself, unless r has tried that one, whose turn then comes next
	b.turn = b.turn.following()
	p.fix(b)
	return b
}
