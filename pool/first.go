package pool

// inOrder picks the first backend of the configuration that has room, so that the others stay free, to be switched off
// for example. Give the backends a MaxConns.
type inOrder struct{ heap }

func newInOrder() *inOrder {
	return &inOrder{heap{before: func(b, c *Backend) bool { return b.index < c.index }}}
}

func (p *inOrder) add(b *Backend)   { p.push(b) }
func (p *inOrder) changed(*Backend) {}

// next passes over a backend that starts slowly as often as its share is short, if there is another.
func (p *inOrder) next(r *Request) *Backend {
	b := p.heap.first(r)
	if b == nil || !b.passes() {
		return b
	}
	p.remove(b)
	other := p.heap.first(r)
	p.push(b)
	if other == nil {
		return b
	}
	return other
}
