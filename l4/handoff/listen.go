package handoff

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"forebay/l4"
	"forebay/pool"
)

// Options is how a socket listens. The zero value is what most want.
type Options struct {
	// Backlog is how many connections may wait to be accepted. 0: as many as net.core.somaxconn allows, which caps any
	// number.
	Backlog int
}

// Listen opens a listening socket for s, which must not hold an unresolved name. The error names the address, what is
// in the way and, where /proc tells, who: an *InUseError where somebody has the address.
//
// SO_REUSEPORT is never set: a second process on one address is an error, not a silent share of the connections. A UNIX
// socket's file that no process listens on any more is replaced; Remove takes it away in the end.
func Listen(s Spec, o Options) (*l4.Listener, error) {
	fd, err := open(s, o)
	if err != nil {
		return nil, explain(s, err)
	}
	// os.NewFile enters a non-blocking descriptor into the runtime's poller, which would then wake for every connection
	// that the loops accept. So the socket becomes non-blocking only after it.
	file := os.NewFile(uintptr(fd), s.String())
	if err := unix.SetNonblock(fd, true); err != nil {
		file.Close()
		return nil, explain(s, err)
	}
	at, err := bound(fd)
	if err != nil {
		file.Close()
		return nil, explain(s, err)
	}
	return &l4.Listener{Name: s.called(), Address: at, File: file}, nil
}

// Probe reports why Listen would fail, as the same error. It binds a TCP address without listening on it, and touches
// no UNIX socket's file.
func Probe(s Spec) error {
	if s.path != "" {
		return explain(s, probePath(s))
	}
	fd, err := bindTCP(s)
	if err != nil {
		return explain(s, err)
	}
	return unix.Close(fd)
}

// open returns a listening descriptor, still blocking.
func open(s Spec, o Options) (int, error) {
	if s.path != "" {
		return listenPath(s, o.backlog())
	}
	fd, err := bindTCP(s)
	if err != nil {
		return -1, err
	}
	return startListening(fd, o.backlog())
}

// backlog is the number for listen(2), which takes the smaller of it and somaxconn.
func (o Options) backlog() int {
	if o.Backlog > 0 {
		return o.Backlog
	}
	return math.MaxInt32
}

// startListening closes fd where it fails.
func startListening(fd, backlog int) (int, error) {
	if err := unix.Listen(fd, backlog); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// bindTCP returns a bound socket for s. A machine without IPv6 gets the IPv4 half of a dual-stack address.
func bindTCP(s Spec) (int, error) {
	if s.name != "" && !s.addr.IsValid() {
		return -1, errors.New("the name was not resolved")
	}
	if s.addr.Is4() {
		return bindIPv4(s)
	}
	fd, err := bindIPv6(s)
	if errors.Is(err, unix.EAFNOSUPPORT) && !s.addr.IsValid() {
		return bindIPv4(s)
	}
	return fd, err
}

func bindIPv4(s Spec) (int, error) {
	at := &unix.SockaddrInet4{Port: int(s.port)}
	if s.addr.IsValid() {
		at.Addr = s.addr.As4()
	}
	return bind(unix.AF_INET, at, reuseAddr)
}

func bindIPv6(s Spec) (int, error) {
	at := &unix.SockaddrInet6{Port: int(s.port)}
	only := 0
	if s.addr.IsValid() {
		only = 1
		at.Addr = s.addr.As16()
	}
	if zone := s.addr.Zone(); zone != "" {
		link, err := net.InterfaceByName(zone)
		if err != nil {
			return -1, fmt.Errorf("no network interface is called %q", zone)
		}
		at.ZoneId = uint32(link.Index)
	}
	return bind(unix.AF_INET6, at, option{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only}, reuseAddr)
}

// An option is one setsockopt(2).
type option struct{ level, name, value int }

var (
	// reuseAddr lets a restarted process bind while connections of the last one are in TIME_WAIT (socket(7)).
	reuseAddr = option{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}
)

// bind returns a new stream socket with the options, bound.
func bind(family int, at unix.Sockaddr, options ...option) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	if err := unix.Bind(fd, at); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// bound returns the address that fd has.
func bound(fd int) (pool.Address, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return pool.Address{}, err
	}
	switch at := name.(type) {
	case *unix.SockaddrInet4:
		return pool.TCPAddress(netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))), nil
	case *unix.SockaddrInet6:
		return pool.TCPAddress(netip.AddrPortFrom(withZone(at), uint16(at.Port))), nil
	case *unix.SockaddrUnix:
		return pool.UNIXAddress(at.Name), nil
	}
	return pool.Address{}, fmt.Errorf("a socket of an unknown family: %T", name)
}

func withZone(at *unix.SockaddrInet6) netip.Addr {
	ip := netip.AddrFrom16(at.Addr)
	if at.ZoneId == 0 {
		return ip
	}
	link, err := net.InterfaceByIndex(int(at.ZoneId))
	if err != nil {
		return ip
	}
	return ip.WithZone(link.Name)
}

// explain says what err means for the address s, and what would be right. It is nil for nil.
func explain(s Spec, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EADDRINUSE):
		return inUse(s)
	case errors.Is(err, unix.EACCES) && s.path == "":
		return fmt.Errorf("listen on %s: %w: port %d is privileged; use a port from 1024, or allow it with "+
			"setcap cap_net_bind_service=+ep on the forebay binary or sysctl net.ipv4.ip_unprivileged_port_start=%d", s, err, s.port, s.port)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf(
			"listen on %s: %w: this user may not make a file in %s; choose another directory, or give the right", s,
			unix.EACCES, filepath.Dir(s.path))
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %s: %w: no interface of this machine has %s", s, err, s.addr)
	case errors.Is(err, unix.ENOENT) && s.path != "":
		return fmt.Errorf("listen on %s: %w: make the directory %s first", s, err, filepath.Dir(s.path))
	case errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("listen on %s: %w: this machine has no IPv6", s, err)
	}
	return fmt.Errorf("listen on %s: %w", s, err)
}
