package l4

import (
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Where the system's congestion control is BBR, TCP paces what it sends by a timer for each socket. Over loopback
// nothing can be congested, and the timers alone cost half of a bulk stream's processor time. So a loopback socket that
// bulk is sent to is given Reno, which every kernel has. Sockets to other machines keep what the administrator chose.
// So do those without bulk, for which it would save nothing.

// plainControl is the congestion control that loopback sockets get.
const plainControl = "reno"

// kernelPaces reports whether new sockets have a congestion control that paces (tcp(7), tcp_congestion_control).
func kernelPaces() bool {
	name, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	return err == nil && strings.HasPrefix(string(name), "bbr")
}

// unpace takes pacing off a side that bulk is sent to, if it is paced.
func (s *session) unpace(e *side) {
	if s.loop.server.unpaces {
		e.unpace()
	}
}

// unpace gives a loopback socket the plain congestion control, once. Where the kernel refuses, everything stays as it
// was.
func (e *side) unpace() {
	if e.unpaced || !e.tcp || !e.local {
		return
	}
	e.unpaced = true
	name := []byte(plainControl)
	syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(e.fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION,
		uintptr(unsafe.Pointer(unsafe.SliceData(name))), uintptr(len(name)), 0)
}
