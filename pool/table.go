package pool

import (
	"math"
	"math/bits"
)

// slots is the number of slots in a table: with a thousand backends each has some 65, and shares differ by an eighth of the mean; with a
// dozen, by less than 2 %.
const (
	slotBits = 16
	slots    = 1 << slotBits
)

// A table says which backend each slot belongs to. It is never changed once made. The zero table is that of no backends.
type table struct {
	entrants []entrant
	owners   []uint16 // index into entrants, by slot
}

// An entrant is a backend in the contest for the slots.
type entrant struct {
	backend *Backend
	seed    uint64 // from its name
	weight  int
}

// owner returns the backend for a key, at its first attempt or a later one. There must be one backend at least.
func (t *table) owner(key, attempt uint64) *Backend {
	return t.entrants[t.owners[mix(key+attempt)>>(64-slotBits)]].backend
}

// with returns the table for members. Slots of entrants that stay are contested by the newcomers alone, and only those of the ones that
// went away by all; the outcome is the same as if all had contested each. A new weight makes a newcomer.
func (t *table) with(members []member) *table {
	if len(members) == 0 {
		return new(table)
	}
	next := &table{entrants: enter(members), owners: make([]uint16, slots)}
	stayed := t.indexIn(next)
	all, fresh := newContest(next.entrants, nil), newContest(next.entrants, stayed)
	for slot := range next.owners {
		draw := mix(uint64(slot))
		if t.owners == nil || stayed[t.owners[slot]] < 0 {
			next.owners[slot] = uint16(all.winner(draw).index)
			continue
		}
		holder := stayed[t.owners[slot]]
		next.owners[slot] = uint16(fresh.winnerAgainst(next.score(holder, draw), draw).index)
	}
	return next
}

func enter(members []member) []entrant {
	entrants := make([]entrant, len(members))
	for i, m := range members {
		entrants[i] = entrant{backend: m.Backend, seed: nameSeed(m.name), weight: int(m.config.Weight)}
	}
	return entrants
}

// indexIn returns, for each of t's entrants, its index in next, or -1 if it is not there with the same weight.
func (t *table) indexIn(next *table) []int {
	indexes := make(map[*Backend]int, len(next.entrants))
	for i, e := range next.entrants {
		indexes[e.backend] = i
	}
	stayed := make([]int, len(t.entrants))
	for old, e := range t.entrants {
		i, ok := indexes[e.backend]
		if !ok || next.entrants[i].weight != e.weight {
			i = -1
		}
		stayed[old] = i
	}
	return stayed
}

func (t *table) score(index int, draw uint64) score {
	e := t.entrants[index]
	return score{index: index, weight: e.weight, luck: luck(e.seed, draw)}
}

// A score is how an entrant fares in the contest for a slot.
type score struct {
	index  int
	weight int
	luck   uint64 // uniform
}

// beats reports whether s wins over u. By weight, an entrant's chance is that of the first among exponentially distributed times with a
// rate of its weight, -ln(luck)/weight (weighted rendezvous hashing; Schindelhauer and Schomaker, 2005). Among equal weights the order is
// that of luck, without a logarithm.
func (s score) beats(u score) bool {
	if s.weight == u.weight {
		return s.luck > u.luck
	}
	return s.time() < u.time()
}

// time is positive. The arithmetic is that of IEEE 754 but for the last bit of the logarithm, on which no slot has ever hung.
func (s score) time() float64 {
	uniform := (float64(s.luck>>11) + 0.5) / (1 << 53)
	return -math.Log(uniform) / float64(s.weight)
}

// luck is uniform over seeds and draws. One multiplication is enough because both are mixed well (as the last step of wyhash).
func luck(seed, draw uint64) uint64 {
	high, low := bits.Mul64(seed, draw)
	return high ^ low
}

// nameSeed hashes a name: FNV-1a, mixed.
func nameSeed(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return mix(h) | 1 // not 0
}

// mix spreads every bit of x over all of the result (the finalizer of SplitMix64, Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
