package health

import (
	"net/netip"
	"sync/atomic"
	"syscall"
)

// Sources are local addresses that connections come from, in turn. Each is used for servers of its address family. For
// a family without one, and for nil Sources, the kernel chooses.
type Sources struct {
	addrs []netip.Addr
	turn  atomic.Uint32
}

// NewSources returns Sources of addrs, nil where there are none.
func NewSources(addrs ...netip.Addr) *Sources {
	if len(addrs) == 0 {
		return nil
	}
	return &Sources{addrs: addrs}
}

// next returns the address whose turn it is, the zero Addr where the kernel chooses.
func (s *Sources) next(v4 bool) netip.Addr {
	if s == nil {
		return netip.Addr{}
	}
	for range s.addrs {
		if a := s.addrs[s.turn.Add(1)%uint32(len(s.addrs))]; a.Is4() == v4 {
			return a
		}
	}
	return netip.Addr{}
}

// bind gives socket fd a local address. fd must not be connected yet; v4 is the family that it will connect to.
func (s *Sources) bind(fd uintptr, v4 bool) error {
	if a := s.next(v4); a.IsValid() {
		return bind(fd, a)
	}
	return nil
}

// control is what net.Dialer calls with each socket, between socket(2) and connect(2).
func (s *Sources) control(network, _ string, socket syscall.RawConn) (err error) {
	if s == nil || network == "unix" {
		return nil
	}
	failed := socket.Control(func(fd uintptr) { err = s.bind(fd, network == "tcp4") })
	if failed != nil {
		return failed
	}
	return err
}
