package pool

import "math/rand/v2"

// random draws two different backends, by their shares, and picks the one that carries less for its share. Two are
// enough to keep the fullest near the mean (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing",
// 2001). Unlike least-conn, it does not send all new sessions to a backend that has just come back. If both carry the
// same, the first drawn is picked, so that the sessions of an idle pool are spread by weight.
type random struct {
	backends []*Backend      // by index; nil for one that may take no session
	weights  weightTree      // by index; 0 for a backend that may not be drawn
	draw     func(n int) int // a random number from 0 to n-1
}

func newRandom() *random { return &random{draw: rand.IntN} }

func (p *random) prepare(members []member) (install func()) {
	backends, weights := make([]*Backend, len(members)), newWeightTree(len(members))
	return func() { p.backends, p.weights = backends, weights }
}

func (p *random) add(b *Backend) {
	p.backends[b.index] = b
	p.weights.set(b.index, b.share)
}

func (p *random) remove(b *Backend) {
	p.backends[b.index] = nil
	p.weights.set(b.index, 0)
}

func (p *random) changed(*Backend) {}

func (p *random) next(r *Request) *Backend {
	p.hide(r.Tried)
	b := p.lighterOfTwo()
	p.show(r.Tried)
	return b
}

func (p *random) lighterOfTwo() *Backend {
	b := p.drawn()
	if b == nil {
		return nil
	}
	p.weights.set(b.index, 0)
	other := p.drawn()
	p.weights.set(b.index, b.share)
	if other != nil && other.lighter(b) {
		return other
	}
	return b
}

// drawn returns a random backend, each with the probability of its share; nil if none may be drawn.
func (p *random) drawn() *Backend {
	if p.weights.total == 0 {
		return nil
	}
	return p.backends[p.weights.find(p.draw(p.weights.total))]
}

func (p *random) hide(tried []*Backend) {
	for _, b := range tried {
		if p.holds(b) {
			p.weights.set(b.index, 0)
		}
	}
}

func (p *random) show(tried []*Backend) {
	for _, b := range tried {
		if p.holds(b) {
			p.weights.set(b.index, b.share)
		}
	}
}

func (p *random) holds(b *Backend) bool {
	return b.index < len(p.backends) && p.backends[b.index] == b
}

// A weightTree holds weights by index. It finds the index that a point on the sum of all weights belongs to, in O(log
// n) (Fenwick, "A New Data Structure for Cumulative Frequency Tables", 1994).
type weightTree struct {
	weights []int
	sums    []int // sums[i] is of the lowbit(i) weights that end before index i; sums[0] is not used
	top     int   // the largest power of two in len(weights)
	total   int
}

func newWeightTree(n int) weightTree {
	t := weightTree{weights: make([]int, n), sums: make([]int, n+1), top: 1}
	for 2*t.top <= n {
		t.top *= 2
	}
	return t
}

func (t *weightTree) set(index, weight int) {
	delta := weight - t.weights[index]
	if delta == 0 {
		return
	}
	t.weights[index] = weight
	t.total += delta
	for i := index + 1; i < len(t.sums); i += i & -i {
		t.sums[i] += delta
	}
}

// find returns the index whose weight covers point, which is from 0 to total-1.
func (t *weightTree) find(point int) int {
	index := 0
	for width := t.top; width > 0; width /= 2 {
		if i := index + width; i < len(t.sums) && t.sums[i] <= point {
			index = i
			point -= t.sums[i]
		}
	}
	return index
}
