package pool

// inOrder picks the first backend of the configuration that has room. The others stay free, and may be switched off,
// for example. Give the backends a MaxConns.
type inOrder struct{ heap }

func newInOrder() *inOrder {
	return &inOrder{heap{before: func(b, c *Backend) bool { return b.index < c.index }}}
}

func (p *inOrder) add(b *Backend)   { p.push(b) }
func (p *inOrder) changed(*Backend) {}

// next picks a backend that starts slowly only as often as its share allows, if there is another.
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
