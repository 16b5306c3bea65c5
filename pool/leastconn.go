package pool

// leastConn picks the backend with the fewest active sessions for its weight. Backends that are even, as in an idle
// pool, take turns by weight, as with round-robin.
type leastConn struct {
	heap
	now turn // the turn of the last pick
}

func newLeastConn() *leastConn {
	return &leastConn{heap: heap{before: func(b, c *Backend) bool {
		if !b.evenWith(c) {
			return b.lighter(c)
		}
		return b.dueBefore(c)
	}}}
}

func (p *leastConn) add(b *Backend) {
	b.turn = b.rejoin(p.now)
	p.push(b)
}

func (p *leastConn) changed(b *Backend) { p.fix(b) }

// next moves the turn of the backend that it returns. Each pick is followed by changed or remove, which restore the
// order of the heap.
func (p *leastConn) next(r *Request) *Backend {
	b := p.first(r)
	if b == nil {
		return nil
	}
	p.now = b.turn.since(p.now, b.weight)
	b.turn = b.nextAfter(p.now)
	return b
}
