package l4

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
)

func TestZoneIndex(t *testing.T) {
	fd, errno := stream(unix.AF_INET6)
	if errno != 0 {
		t.Skip(errno)
	}
	defer closeFD(fd)
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip(err)
	}
	for zone, want := range map[string]uint32{
		"lo": uint32(lo.Index), "7": 7, "nosuch0": 0, "lo-and-behold-ab": 0, "a-name-that-is-longer-than-any-may-be": 0,
	} {
		if got := zoneIndex(fd, zone); got != want {
			t.Errorf("%q: got %d, want %d", zone, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { zoneIndex(fd, "lo") }); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
}

// A backend is reached at a link-local address, of which the zone is a part, and from such an address.
func TestLinkLocalBackend(t *testing.T) {
	ip := linkLocal(t)
	b, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		t.Skip(err)
	}
	defer b.Close()
	at := netip.AddrPortFrom(ip, b.Addr().(*net.TCPAddr).AddrPort().Port()).String()
	for name, sources := range map[string][]netip.Addr{"from the kernel's choice": nil, "from its own": {ip}} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(s *Server) { s.Sources = sources }, at)
			p := l4test.Dial(t, s.addr).Send("hello").CloseWrite()
			b.SetDeadline(time.Now().Add(patience))
			c, err := b.Accept()
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(c, c)
			c.Close()
			p.Expect("hello").ExpectEOF()
			if r := s.record(t, ClientClosed); r.Address.String() != at {
				t.Errorf("the record tells of %v, want %s", r.Address, at)
			}
		})
	}
}

// linkLocal returns a link-local address of this machine, with its zone.
func linkLocal(t *testing.T) netip.Addr {
	t.Helper()
	links, err := net.Interfaces()
	if err != nil {
		t.Skip(err)
	}
	for _, link := range links {
		addrs, _ := link.Addrs()
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() && link.Flags&net.FlagUp != 0 {
				return p.Addr().WithZone(link.Name)
			}
		}
	}
	t.Skip("this machine has no link-local address")
	return netip.Addr{}
}
