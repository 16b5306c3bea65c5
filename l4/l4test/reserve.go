package l4test

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// Reserve returns addr with a port that nobody else gets by chance while the test runs, where addr has port 0. A server
// that is told to listen there may, if it sets SO_REUSEADDR, as most do; until then, and after it has gone, connections
// are refused.
//
// A socket is bound there that never listens. Without it a port that was free a moment ago may since have become
// another connection's.
func Reserve(tb testing.TB, addr string) string {
	tb.Helper()
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		tb.Fatal(err)
	}
	_, bound := bind(tb, at)
	return bound
}

// Refused returns an address that refuses connections.
func Refused(tb testing.TB) string {
	tb.Helper()
	return Reserve(tb, anywhere())
}

// bind returns a socket that is bound at addr until the test ends, and where that is. The kernel gives the port to none
// that does not name it, and lets those share it that name it and set SO_REUSEADDR, as long as none listens
// (inet_csk_get_port in its net/ipv4/inet_connection_sock.c).
func bind(tb testing.TB, addr netip.AddrPort) (fd int, bound string) {
	tb.Helper()
	family, to := socketAddress(addr)
	err := whereItIs(addr.String(), func() (err error) {
		fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		tb.Fatal(err)
	}
	if err := unix.Bind(fd, to); err != nil {
		tb.Fatalf("reserve %s: %v", addr, err)
	}
	return fd, boundAddress(tb, fd)
}

func socketAddress(addr netip.AddrPort) (family int, to unix.Sockaddr) {
	if addr.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Addr: addr.Addr().As4(), Port: int(addr.Port())}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Addr: addr.Addr().As16(), Port: int(addr.Port())}
}

func boundAddress(tb testing.TB, fd int) string {
	tb.Helper()
	sa, err := unix.Getsockname(fd)
	if err != nil {
		tb.Fatal(err)
	}
	var bound netip.AddrPort
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		bound = netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		bound = netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return bound.String()
}
