package l4

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync/atomic"
)

// An Access says which clients may connect. The longest prefix that holds a client's address decides. A prefix that is
// both allowed and denied is denied. A client that no prefix holds may connect, unless some prefix is allowed. The zero
// Access lets everybody in. It may be changed while it is read.
type Access struct{ rules atomic.Pointer[accessRules] }

// accessRules are the rules in flat form: the addresses at which the answer changes, in ascending order. So a client's
// address is found by binary search, however the ranges contain each other.
type accessRules struct {
	v4, v6 []turn
	zones  map[string][]turn // by interface, in place of v6 where some rules are for that interface alone
	rest   bool              // for clients below the first turn
}

// A turn is an address from which on another answer holds.
type turn struct {
	from    number
	allowed bool
}

// A number is an address as a number, so that two are compared at once.
type number struct{ high, low uint64 }

func numberOf(ip netip.Addr) number {
	b := ip.As16()
	return number{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (n number) after(m number) bool { return n.high > m.high || n.high == m.high && n.low > m.low }

// A rule is one range with its answer.
type rule struct {
	Range
	allowed bool
}

// Set replaces the rules. IPv4 ranges are for IPv4 clients alone, and IPv6 ranges for IPv6 clients. Where a range is
// given with a zone and without, the one with the zone decides. Without rules everybody is let in.
func (a *Access) Set(allow, deny []Range) {
	rest := len(allow) == 0
	all := rulesOf(allow, deny)
	rules := &accessRules{rest: rest, zones: map[string][]turn{}}
	rules.v4 = flatten(only(all, func(r rule) bool { return r.Addr().Is4() }), rest)
	of := func(zone string) []turn {
		return flatten(only(all, func(r rule) bool { return r.Addr().Is6() && (r.Zone == "" || r.Zone == zone) }), rest)
	}
	rules.v6 = of("")
	for _, r := range all {
		if r.Zone != "" && rules.zones[r.Zone] == nil {
			rules.zones[r.Zone] = of(r.Zone)
		}
	}
	a.rules.Store(rules)
}

// Allows reports whether a client at ip may connect. A client of a UNIX socket has no address and may connect: the
// rights of the file decide about it.
func (a *Access) Allows(ip netip.Addr) bool {
	r := a.rules.Load()
	if r == nil || !ip.IsValid() {
		return true
	}
	turns := r.v6
	if ip.Is4() || ip.Is4In6() {
		turns = r.v4
	} else if zone := ip.Zone(); zone != "" {
		if its, ok := r.zones[zone]; ok {
			turns = its
		}
	}
	at := numberOf(ip)
	low, high := 0, len(turns) // the turns before low are not above ip, those from high on are
	for low < high {
		if mid := int(uint(low+high) >> 1); turns[mid].from.after(at) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	if low == 0 {
		return r.rest
	}
	return turns[low-1].allowed
}

// rulesOf returns the rules in order: each range before those inside it, and of an equal pair the denied one last.
func rulesOf(allow, deny []Range) (all []rule) {
	for _, r := range allow {
		all = append(all, rule{Range{r.Masked(), r.Zone}, true})
	}
	for _, r := range deny {
		all = append(all, rule{Range{r.Masked(), r.Zone}, false})
	}
	slices.SortStableFunc(all, func(a, b rule) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()),
			cmp.Compare(len(a.Zone), len(b.Zone)))
	})
	return all
}

// only returns those of the rules that fit.
func only(all []rule, fit func(rule) bool) []rule {
	return slices.DeleteFunc(slices.Clone(all), func(r rule) bool { return !fit(r) })
}

// flatten brings rules, which are in the order of rulesOf, into flat form.
func flatten(rules []rule, rest bool) []turn {
	w := walk{rest: rest}
	for _, r := range rules {
		for len(w.inside) > 0 && !w.innermost().Prefix.Contains(r.Addr()) {
			w.leave()
		}
		w.inside = append(w.inside, r)
		w.note(r.Addr())
	}
	for len(w.inside) > 0 {
		w.leave()
	}
	return w.turns
}

// A walk goes over rules from the lowest address to the highest and notes where the answer changes. Prefixes are inside
// each other or apart, and never overlap otherwise.
type walk struct {
	rest   bool
	inside []rule // the ranges around its place, the narrowest last
	turns  []turn
}

func (w *walk) innermost() rule { return w.inside[len(w.inside)-1] }

// leave goes to the end of the innermost range.
func (w *walk) leave() {
	after := lastOf(w.innermost().Prefix).Next()
	w.inside = w.inside[:len(w.inside)-1]
	if after.IsValid() { // there are addresses behind it
		w.note(after)
	}
}

// note writes down that another answer holds from that address on. It writes nothing where the answer stays the same,
// and replaces what it wrote for the same address before.
func (w *walk) note(from netip.Addr) {
	at, before, now := numberOf(from), w.rest, w.rest
	if n := len(w.turns); n > 0 && w.turns[n-1].from == at {
		w.turns = w.turns[:n-1]
	}
	if n := len(w.turns); n > 0 {
		before = w.turns[n-1].allowed
	}
	if len(w.inside) > 0 {
		now = w.innermost().allowed
	}
	if now != before {
		w.turns = append(w.turns, turn{at, now})
	}
}

// lastOf returns the highest address of p.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}
