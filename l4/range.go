package l4

import (
	"net/netip"
	"strconv"
)

// A Range is a range of IP addresses. A range of link-local addresses (RFC 4291, section 2.5.6) may have a Zone (RFC
// 4007), as each link has its own fe80::1. It then holds addresses of that network interface alone.
type Range struct {
	netip.Prefix
	Zone string // the name of an interface; "": all
}

// Contains reports whether ip is in r. A Range with a zone contains no ip without one.
func (r Range) Contains(ip netip.Addr) bool {
	return (r.Zone == "" || r.Zone == ip.Zone()) && r.Prefix.Contains(ip.WithZone(""))
}

// String returns "2001:db8::/32", or "fe80::%eth0/64" (RFC 4007, section 11.7).
func (r Range) String() string {
	if r.Zone == "" {
		return r.Prefix.String()
	}
	return r.Addr().WithZone(r.Zone).String() + "/" + strconv.Itoa(r.Bits())
}
