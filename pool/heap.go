package pool

// A heap is a binary heap of backends; the first by before is on top. Each backend knows its place, so that any can be
// moved or removed in O(log n). A backend is in one heap at most.
type heap struct {
	items  []*Backend
	before func(b, c *Backend) bool // a strict weak order
}

// prepare makes room for the members.
func (h *heap) prepare(members []member) (install func()) {
	items := make([]*Backend, 0, len(members))
	return func() { h.items = items }
}

func (h *heap) push(b *Backend) {
	b.at = len(h.items)
	h.items = append(h.items, b)
	h.up(b.at)
}

func (h *heap) remove(b *Backend) {
	at, last := b.at, len(h.items)-1
	h.swap(at, last)
	h.items[last] = nil
	h.items = h.items[:last]
	if at < last {
		h.fix(h.items[at])
	}
}

// fix moves b to where it belongs after its order has changed.
func (h *heap) fix(b *Backend) {
	h.up(b.at)
	h.down(b.at)
}

// first returns the first backend that r has not tried, nil if there is none. It looks only at the tried ones and those
// right below them.
func (h *heap) first(r *Request) *Backend { return h.firstBelow(0, r) }

func (h *heap) firstBelow(at int, r *Request) *Backend {
	if at >= len(h.items) {
		return nil
	}
	if b := h.items[at]; !r.tried(b) {
		return b
	}
	left, right := h.firstBelow(2*at+1, r), h.firstBelow(2*at+2, r)
	if left == nil || right != nil && h.before(right, left) {
		return right
	}
	return left
}

func (h *heap) up(at int) {
	for at > 0 {
		parent := (at - 1) / 2
		if !h.before(h.items[at], h.items[parent]) {
			return
		}
		h.swap(at, parent)
		at = parent
	}
}

func (h *heap) down(at int) {
	for {
		child := 2*at + 1
		if child >= len(h.items) {
			return
		}
		if other := child + 1; other < len(h.items) && h.before(h.items[other], h.items[child]) {
			child = other
		}
		if !h.before(h.items[child], h.items[at]) {
			return
		}
		h.swap(at, child)
		at = child
	}
}

func (h *heap) swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.items[i].at, h.items[j].at = i, j
}
