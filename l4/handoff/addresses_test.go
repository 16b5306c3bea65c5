package handoff

import (
	"net/netip"
	"slices"
	"testing"
)

func TestAddresses(t *testing.T) {
	all, err := Addresses()
	if err != nil || !slices.Contains(all, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("got %v, %v; want 127.0.0.1 among them", all, err)
	}
	for _, ip := range all {
		if !ip.IsValid() || ip.Is6() && ip.IsLinkLocalUnicast() != (ip.Zone() != "") {
			t.Errorf("got %q; want an address, with a zone if it is link-local", ip)
		}
	}
}
