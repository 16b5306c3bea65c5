package l4

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"forebay/pool"
)

// connectTo makes a's socket and starts to connect it. progress finds whatever goes wrong, with one exception: where
// this machine has no socket to give, this client waits until it has, and later clients wait before they are accepted.
func (s *session) connectTo(a *attempt) {
	address := a.lease.Backend().Addrs()[a.address]
	if a.again == 0 {
		a.opened = s.loop.server.clock()
	}
	var raw unix.RawSockaddrAny
	family, size := rawAddress(address, &raw)
	fd, kept := s.loop.sockets.borrow(family)
	errno := syscall.Errno(0)
	if !kept {
		fd, errno = stream(family)
	}
	s.setup.sockets = s.setup.sockets%(1<<sideBits-1) + 1
	a.side = side{fd: fd, tcp: family != unix.AF_UNIX, ipv6: family == unix.AF_INET6, enrolled: kept,
		number: s.setup.sockets}
	a.side.local = !a.side.tcp || address.TCP().Addr().IsLoopback()
	a.again = 0
	if errno != 0 {
		a.side.fd = -1
		a.side.fault = uint16(errno)
		if lacks(errno) {
			a.again = s.loop.now + s.loop.pauseAccepting(errno)
		}
		return
	}
	setZone(fd, address, &raw)
	s.loop.accept.backoff = 0
	s.setOptions(&a.side)
	switch errno = s.reach(&a.side, family, &raw, size); {
	case errno == 0:
		a.side.writable = true
	case errno == unix.EISCONN, errno == unix.EALREADY: // the socket is another's
		a.side.fd = -1 // and so not ours to close
		a.side.fault = uint16(errno)
		s.loop.misdirected("a socket that is in use was to be connected", nil)
	case errno == unix.EAGAIN && !a.side.tcp:
		s.setup.sockets--
		s.waitForRoom(a)
	case errno != unix.EINPROGRESS:
		a.side.fault = uint16(errno)
	case a.side.local:
		a.side.findConnected()
	}
}

// waitForRoom has a try wait for a UNIX socket whose accept queue is full. Over TCP the kernel sends SYN again until
// there is room. Here it returns EAGAIN (unix(7)), and no event tells of room. So the try asks again, less and less
// often, for as long as a connect may take.
func (s *session) waitForRoom(a *attempt) {
	s.closeSide(&a.side)
	a.side = noSide() // its number may be that of another try's socket meanwhile
	a.again = s.loop.now + min(max((s.loop.now-a.opened)/4, int64(firstPause)), int64(mostRoomPause))
}

// speaksAtOnce reports whether the backend at e will be told something the moment it is connected. Then the first bytes
// acknowledge its SYN-ACK as well. That saves a packet, and the work that the other side has with it.
func (s *session) speaksAtOnce(e *side) bool {
	if s.loop.server.ProxyOut != ProxyOff || s.setup.route.BackendTLS != nil {
		return true
	}
	if e.local {
		s.readAhead()
	}
	return len(s.up.held) > 0
}

// readAhead takes the client's first bytes before the backend is connected, if they are there already. The backend is
// connected by the end of the step, so the bytes can stay in the loop's buffer.
func (s *session) readAhead() {
	f, src := &s.up, &s.client
	if len(f.held) > 0 || !src.readable || src.layer != nil || s.meter() != nil || src.next() != ordinary {
		return
	}
	buf := s.loop.buf[headerRoom:][:readSize]
	n, errno := src.recv(buf)
	f.ended = src.ended || errno != 0 && errno != unix.EAGAIN
	if n > 0 {
		f.held, f.holding = buf[:n:n], lent
		f.read += uint64(n)
		s.moved, s.spoke = s.loop.now, src.number
	}
}

// setOptions sets what a backend's socket needs before it is connected.
func (s *session) setOptions(e *side) {
	if !e.tcp {
		return
	}
	if !e.enrolled {
		setInt(e.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		keepInLine(e.fd)
	}
	if s.speaksAtOnce(e) {
		setInt(e.fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
	}
}

// reach connects e from the next of the Server's sources that has a port left.
func (s *session) reach(e *side, family int, to *unix.RawSockaddrAny, size uintptr) syscall.Errno {
	server := s.loop.server
	if len(server.Sources) == 0 || !e.tcp {
		return connect(e.fd, to, size)
	}
	tried := false
	n, first := uint32(len(server.Sources)), server.sourceAt.Add(1)
	for i := range n {
		source := server.Sources[(first+i)%n]
		if source.Is4() != (family == unix.AF_INET) {
			continue
		}
		if errno := connectFrom(e.fd, source, to, size); errno != unix.EADDRNOTAVAIL {
			return errno
		}
		tried = true
	}
	if tried {
		return unix.EADDRNOTAVAIL
	}
	return connect(e.fd, to, size) // the kernel chooses, as no source is of this family
}

// connectFrom connects from a port of source.
func connectFrom(fd int32, source netip.Addr, to *unix.RawSockaddrAny, size uintptr) syscall.Errno {
	// ip(7): leave the port open until connect, when the whole four-tuple is known, so that one local port can serve
	// many backends.
	setInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	var from unix.RawSockaddrAny
	at := pool.TCPAddress(netip.AddrPortFrom(source, 0))
	_, fromSize := rawAddress(at, &from)
	setZone(fd, at, &from)
	if errno := bind(fd, &from, fromSize); errno != 0 {
		return errno
	}
	return connect(fd, to, size)
}

// findConnected finds out at once how a connect over loopback went. connect(2) has carried out the handshake by then,
// but reports EINPROGRESS all the same. Waiting for the event would cost a turn of the loop.
func (e *side) findConnected() {
	var raw unix.RawSockaddrAny
	if peerName(e.fd, &raw) == 0 {
		e.writable = true
		return
	}
	if errno := socketError(e.fd); errno != 0 {
		e.fault = uint16(errno)
	}
}
