package pool

import (
	"math/rand/v2"
	"testing"
)

// A heap and a search through all agree on the first that was not tried, whatever is pushed, moved and removed.
func TestHeapFindsTheFirst(t *testing.T) {
	random := rand.New(rand.NewPCG(12, 13))
	h := heap{before: func(b, c *Backend) bool { return b.weight < c.weight }}
	all := make([]*Backend, 40)
	for i := range all {
		all[i] = &Backend{weight: i}
	}
	for range 2000 {
		b := all[random.IntN(len(all))]
		switch {
		case !b.ranked:
			h.push(b)
			b.ranked = true
		case random.IntN(2) == 0:
			h.remove(b)
			b.ranked = false
		default:
			b.weight = random.IntN(1 << 30)
			h.fix(b)
		}
		r := &Request{Tried: []*Backend{h.first(&Request{}), all[random.IntN(40)], all[random.IntN(40)]}}
		r.Tried = append(r.Tried, h.first(r))
		if got, want := h.first(r), firstOf(all, r); got != want {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func firstOf(all []*Backend, r *Request) (first *Backend) {
	for _, b := range all {
		if b.ranked && !r.tried(b) && (first == nil || b.weight < first.weight) {
			first = b
		}
	}
	return first
}
