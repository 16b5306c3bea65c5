package l4

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"forebay/pool"
)

// ports are those that the kernel chooses from for connections (ip(7), ip_local_port_range). Where nobody listens at
// one of them, a connection to it can be given that very port to come from; TCP then is connected to itself.
type ports struct{ first, last uint16 }

// kernelPorts returns what the kernel says at present, all where it does not tell.
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

// meets reports whether a TCP socket that is connected to a has a for its own address, and nobody else behind it. A
// server's port is seldom one that the kernel chooses from, and the kernel is not asked then.
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
