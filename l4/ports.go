package l4

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"forebay/pool"
)

// ports is the range from which the kernel chooses a connection's local port (ip(7), ip_local_port_range). Where nobody
// listens at such a port, a connection to it may be given that same port to come from. TCP is then connected to itself.
type ports struct{ first, last uint16 }

// kernelPorts returns the kernel's present range, or all ports where the kernel does not tell.
func kernelPorts() ports {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return ports{1, 65535}
	}
	return parsePorts(text)
}

func parsePorts(text []byte) ports {
	var p ports
	if _, err := fmt.Sscan(string(text), &p.first, &p.last); err != nil {
		return ports{1, 65535}
	}
	return p
}

// meets reports whether a TCP socket that is connected to a has a for its own address too, with nobody else behind it.
// A server's port is seldom in the kernel's range; where it is not, the kernel is not asked.
func (p ports) meets(fd int32, a pool.Address) bool {
	to := a.TCP()
	if to.Port() < p.first || to.Port() > p.last {
		return false
	}
	var raw unix.RawSockaddrAny
	sockName(fd, &raw)
	at := (*unix.RawSockaddrInet4)(unsafe.Pointer(&raw)) // the port of IPv6 stands at the same place
	return networkPort(&at.Port) == to.Port() && addrPort(&raw).Addr() == to.Addr()
}
