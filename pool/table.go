package pool

import "math"

// slots is the number of slots in a table. With a thousand backends each has some 65, and shares differ by an eighth of
// the mean. With a dozen backends they differ by less than 2 %.
const (
	slotBits = 16
	slots    = 1 << slotBits
)

// A table says which backend each slot belongs to. It is never changed. The zero table is for no backends.
type table struct {
	backends []*Backend
	owners   []uint16 // index into backends, by slot
}

// An entrant is a backend that competes for the slots. It comes to each slot once, in an order and at times that depend
// on its name and weight alone. The first that comes to a slot owns it. So when a backend goes away only its own slots
// change, and it has the same ones when it is back.
type entrant struct {
	weight int
	order  order
	steps  int // how many slots it has come to
}

// owner returns the backend for a key. attempt counts from 0; each may give another backend. There must be one backend
// at least.
func (t *table) owner(key, attempt uint64) *Backend {
	return t.backends[t.owners[mix(key+attempt)>>(64-slotBits)]]
}

// newTable returns the table for members. The cost hardly depends on their number: some twelve visits for each slot,
// about 10 ms.
func newTable(members []member) *table {
	if len(members) == 0 {
		return new(table)
	}
	r := newRace(members)
	for !r.over() {
		r.goOn()
	}
	t := &table{backends: make([]*Backend, len(members)), owners: r.owners}
	for i, m := range members {
		t.backends[i] = m.Backend
	}
	return t
}

// A race makes a table. The times at which an entrant comes to the slots are those of an exponential distribution whose
// rate is the entrant's weight. So its share of the slots is its share of the weight (weighted rendezvous hashing;
// Schindelhauer and Schomaker, 2005). The times are computed in ascending order: those after the last slot was taken
// are never needed.
type race struct {
	entrants []entrant
	weight   int       // of all entrants
	owners   []uint16  // by slot
	taken    []float64 // when each was taken; +Inf where nobody has come yet
	moments  []float64 // when an entrant of weight 1 comes to its first slot, its second, and so on, as far as needed
	time     float64   // all visits before it are done
	free     int       // slots that nobody has come to
}

func newRace(members []member) *race {
	r := &race{entrants: make([]entrant, len(members)), owners: make([]uint16, slots), taken: make([]float64, slots),
		free: slots}
	for i, m := range members {
		r.entrants[i] = entrant{weight: int(m.config.Weight), order: newOrder(m.name)}
		r.weight += r.entrants[i].weight
	}
	for slot := range r.taken {
		r.taken[slot] = math.Inf(1)
	}
	return r
}

// over reports whether every slot is taken. A later visit changes nothing.
func (r *race) over() bool { return r.free == 0 }

// goOn advances the time so far that each slot gets one more visit on average, by all entrants together.
func (r *race) goOn() {
	r.time += 1 / float64(r.weight)
	for i := range r.entrants {
		e := &r.entrants[i]
		for weight := float64(e.weight); e.steps < slots; e.steps++ {
			at := r.moment(e.steps) / weight
			if at >= r.time {
				break
			}
			r.visit(uint16(i), e.order.slot(e.steps), at)
		}
	}
}

// moment returns when an entrant of weight 1 comes to slot number step of its order: the middle of the step's part of
// the distribution. Machines may differ in the last bit of a logarithm. That changes the owner of a slot only where two
// entrants come to it within that bit.
func (r *race) moment(step int) float64 {
	for n := len(r.moments); n <= step; n++ {
		r.moments = append(r.moments, -math.Log1p(-(float64(n)+0.5)/slots))
	}
	return r.moments[step]
}

// visit lets an entrant come to a slot. Of two that come at the same moment, luck decides, which differs from slot to
// slot.
func (r *race) visit(index uint16, slot int, at float64) {
	switch taken := r.taken[slot]; {
	case at > taken:
		return
	case at == taken && r.entrants[index].order.luck(slot) < r.entrants[r.owners[slot]].order.luck(slot):
		return
	case math.IsInf(taken, 1):
		r.free--
	}
	r.owners[slot], r.taken[slot] = index, at
}

// An order is a pseudo-random order of all slots.
type order struct{ first, second uint64 }

// newOrder returns the order for a backend's name.
func newOrder(name string) order {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return order{mix(h), mix(mix(h))}
}

// slot returns slot number step of the order. Each line maps the slots one to one: to multiply by an odd number, to
// add, and to xor the upper bits into the lower ones can each be undone.
func (o order) slot(step int) int {
	x := uint16(step)*uint16(o.first|1) + uint16(o.first>>16)
	x ^= x >> 7
	x = x*uint16(o.first>>32|1) + uint16(o.first>>48)
	x ^= x >> 9
	x = x*uint16(o.second|1) + uint16(o.second>>16)
	x ^= x >> 8
	return int(x)
}

// luck returns a pseudo-random number for o at a slot.
func (o order) luck(slot int) uint64 { return mix(o.second ^ uint64(slot)) }

// mix lets every bit of x change all bits of the result (the finalizer of SplitMix64, Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
