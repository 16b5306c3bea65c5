package l4

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

func prefixes(texts ...string) (all []Range) {
	for _, text := range texts {
		zone := ""
		if address, rest, ok := strings.Cut(text, "%"); ok {
			which, bits, _ := strings.Cut(rest, "/")
			text, zone = address+"/"+bits, which
		}
		all = append(all, Range{netip.MustParsePrefix(text), zone})
	}
	return all
}

func TestLongestPrefixDecides(t *testing.T) {
	var a Access
	if !a.Allows(netip.MustParseAddr("192.0.2.1")) {
		t.Error("nobody is let in without rules")
	}
	for _, c := range []struct {
		name        string
		allow, deny []Range
		in, out     []string
	}{
		{"nothing", nil, nil, []string{"10.0.0.1", "::1"}, nil},
		{"only denied", nil, prefixes("10.0.0.0/8"), []string{"9.255.255.255", "11.0.0.0", "::1", "::ffff:11.0.0.1"},
			[]string{"10.0.0.0", "10.255.255.255", "::ffff:10.0.0.1"}},
		{"only allowed", prefixes("10.0.0.0/8"), nil, []string{"10.1.2.3"}, []string{"9.255.255.255", "11.0.0.0", "::1", "::a00:1"}},
		{"hole", prefixes("10.0.0.0/8"), prefixes("10.1.0.0/16"), []string{"10.0.255.255", "10.2.0.0"}, []string{"10.1.0.0", "10.1.255.255", "8.8.8.8"}},
		{"island in the hole", prefixes("10.0.0.0/8", "10.1.1.1/32"), prefixes("10.1.0.0/16"), []string{"10.1.1.1", "10.2.0.0"}, []string{"10.1.1.0", "10.1.1.2"}},
		{"ends together", prefixes("10.0.0.0/8", "10.255.255.255/32"), prefixes("10.255.0.0/16"), []string{"10.255.255.255", "10.0.0.0"}, []string{"10.255.255.254", "11.0.0.0"}},
		{"begins together", prefixes("10.0.0.0/8", "10.0.0.0/32"), prefixes("10.0.0.0/16"), []string{"10.0.0.0", "10.1.0.0"}, []string{"10.0.0.1", "10.0.255.255"}},
		{"both said of one", prefixes("10.0.0.0/8"), prefixes("10.0.0.0/8"), nil, []string{"10.0.0.1", "11.0.0.1"}},
		{"all, and the last", prefixes("0.0.0.0/0"), prefixes("255.255.255.255/32"), []string{"0.0.0.0", "255.255.255.254"}, []string{"255.255.255.255", "::1"}},
		{"sixth version", prefixes("2001:db8::/32"), prefixes("2001:db8:0:1::/64"), []string{"2001:db8::1", "2001:db8:0:2::"}, []string{"2001:db8:0:1::7", "2001:db9::", "10.0.0.1"}},
		{"with a zone", nil, prefixes("fe80::/64"), []string{"fe80:0:0:1::1"}, []string{"fe80::1%eth0"}},
		{"of one link", prefixes("fe80::1%eth0/128"), nil, []string{"fe80::1%eth0"}, []string{"fe80::1%eth1", "fe80::1", "fe80::2%eth0"}},
		{"but of one link", prefixes("fe80::/10"), prefixes("fe80::%eth1/64"), []string{"fe80::1%eth0", "fe80::1"}, []string{"fe80::1%eth1"}},
		{"one on a link", prefixes("fe80::1%eth0/128"), prefixes("fe80::1/128"), []string{"fe80::1%eth0"}, []string{"fe80::1%eth1", "fe80::1", "10.0.0.1"}},
		{"both said of one link", prefixes("fe80::1%eth0/128"), prefixes("fe80::1%eth0/128"), nil, []string{"fe80::1%eth0"}},
		{"beside others", prefixes("fe80::1%eth0/128", "2001:db8::/32"), nil, []string{"2001:db8::1", "fe80::1%eth0"}, []string{"fe80::1%lo"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a.Set(c.allow, c.deny)
			for _, ip := range c.in {
				if !a.Allows(netip.MustParseAddr(ip)) {
					t.Errorf("%s is kept out", ip)
				}
			}
			for _, ip := range c.out {
				if a.Allows(netip.MustParseAddr(ip)) {
					t.Errorf("%s is let in", ip)
				}
			}
			if !a.Allows(netip.Addr{}) {
				t.Error("a UNIX socket's client is kept out")
			}
		})
	}
}

// TestAccessIsWhatALookAtEveryRuleFinds compares the flat rules with a search through all of them, on ranges that often
// touch.
func TestAccessIsWhatALookAtEveryRuleFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	some := func() netip.Addr {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 0xfffffff0&^0xff|uint32(r.IntN(256))))) // up to the last address
	}
	for range 2000 {
		var allow, deny []Range
		for range r.IntN(6) {
			allow = append(allow, Range{Prefix: netip.PrefixFrom(some(), 24+r.IntN(9)).Masked()})
		}
		for range r.IntN(6) {
			deny = append(deny, Range{Prefix: netip.PrefixFrom(some(), 24+r.IntN(9)).Masked()})
		}
		var a Access
		a.Set(allow, deny)
		for range 64 {
			if ip := some(); a.Allows(ip) != allowsNaively(allow, deny, ip) {
				t.Fatalf("allow %v, deny %v: %v is let in: %v", allow, deny, ip, a.Allows(ip))
			}
		}
	}
}

func allowsNaively(allow, deny []Range, ip netip.Addr) bool {
	best, answer := -1, len(allow) == 0
	for _, p := range allow {
		if p.Contains(ip) && p.Bits() > best {
			best, answer = p.Bits(), true
		}
	}
	for _, p := range deny {
		if p.Contains(ip) && p.Bits() >= best {
			best, answer = p.Bits(), false
		}
	}
	return answer
}

func BenchmarkAccess(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			r := rand.New(rand.NewPCG(1, 2))
			addr := func() netip.Addr { return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, r.Uint32()))) }
			var deny []Range
			for range n {
				deny = append(deny, Range{Prefix: netip.PrefixFrom(addr(), 16+r.IntN(17)).Masked()})
			}
			var a Access
			a.Set(nil, deny)
			clients := make([]netip.Addr, 1024)
			for i := range clients {
				clients[i] = addr()
			}
			for i := 0; b.Loop(); i++ {
				a.Allows(clients[i%len(clients)])
			}
		})
	}
}
