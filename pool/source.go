package pool

import (
	"encoding/binary"
	"net/netip"
)

// boundFloor is the number of sessions that a backend may have even where its fair share is less.
const boundFloor = 64

// sourceAttempts is how many slots are tried before the least loaded backend is taken. That happens only where most
// backends are full or tried.
const sourceAttempts = 16

// source sends a client to the backend that its address belongs to, by weighted rendezvous hashing. Each backend has a
// time for each slot of a table. The backend with the earliest time owns the slot, and a client's address chooses a
// slot. With rendezvous hashing the removal of a backend moves its own clients only, and they come back with it;
// Maglev's table moves some others as well. The times depend on the backends' names and weights alone, so that every
// machine computes the same table, after a restart too. With the table a pick is O(1).
//
// Where a client's backend is full, tried or over the load bound, the client goes on to another slot, which is always
// the same for that client. A client without an address (of a UNIX socket) goes to the least loaded backend.
//
// An IPv6 client is known by its whole address. By its /64 a client would keep its backend when it takes a new
// temporary address (RFC 8981), once a day. But then all clients of a rack or an office would share one backend.
type source struct {
	heap           // those that have room, the least loaded first
	tier   *tier   // for its totals
	factor float64 // Options.LoadFactor
	table  *table
}

func newSource(t *tier, factor float64) *source {
	return &source{tier: t, factor: factor, table: new(table), heap: heap{before: (*Backend).lighter}}
}

// prepare computes the new table.
func (p *source) prepare(members []member) (install func()) {
	installHeap := p.heap.prepare(members)
	next := newTable(members)
	return func() {
		installHeap()
		p.table = next
	}
}

func (p *source) add(b *Backend)     { p.push(b) }
func (p *source) changed(b *Backend) { p.fix(b) }

func (p *source) next(r *Request) *Backend {
	if len(p.items) == 0 {
		return nil
	}
	if !r.Source.IsValid() {
		return p.first(r)
	}
	key := addrKey(r.Source)
	for attempt := range uint64(sourceAttempts) {
		if b := p.table.owner(key, attempt); p.mayServe(b, r) && b.attracts(key) {
			return b
		}
	}
	return p.first(r)
}

func (p *source) mayServe(b *Backend, r *Request) bool {
	return b.ranked && !r.tried(b) && !p.overBound(b)
}

// overBound reports whether one more session would put b over its bound.
func (p *source) overBound(b *Backend) bool {
	if p.factor == 0 || b.sessions() < boundFloor {
		return false
	}
	share := float64(p.tier.active+1) * float64(b.weight) / float64(p.tier.weight)
	return float64(b.sessions()) >= p.factor*share
}

// addrKey hashes an address, to the same value on every machine. An IPv4 address that is mapped into IPv6 counts as
// plain IPv4. A zone does not count.
func addrKey(a netip.Addr) uint64 {
	b := a.As16()
	high, low := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return mix(mix(high) ^ low)
}
