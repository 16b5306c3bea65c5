package handoff

import (
	"net"
	"net/netip"
)

// Addresses returns those of this machine's interfaces, link-local ones with their zone.
func Addresses() ([]netip.Addr, error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, link := range links {
		prefixes, err := link.Addrs()
		if err != nil {
			return nil, err
		}
		for _, p := range prefixes {
			all = append(all, addressOf(p, link))
		}
	}
	return all, nil
}

// addressOf returns the address in p, which an interface has.
func addressOf(p net.Addr, link net.Interface) netip.Addr {
	prefix, err := netip.ParsePrefix(p.String())
	if err != nil {
		return netip.Addr{} // nobody's
	}
	if ip := prefix.Addr(); ip.Is6() && ip.IsLinkLocalUnicast() {
		return ip.WithZone(link.Name)
	}
	return prefix.Addr()
}
