package pool

// inOrder picks the first backend of the configuration that has room, so that the others stay free, to be switched off for example. Give
// the backends a MaxConns.
type inOrder struct{ heap }

func newInOrder() *inOrder {
	return &inOrder{heap{before: func(b, c *Backend) bool { return b.index < c.index }}}
}

func (p *inOrder) add(b *Backend)           { p.push(b) }
func (p *inOrder) changed(*Backend)         {}
func (p *inOrder) next(r *Request) *Backend { return p.heap.first(r) }
