package l4

import (
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"forebay/pool"
)

// The data plane's system calls. All are raw: on a non-blocking descriptor they return at once, so the scheduler need
// not know of them, and a loop keeps its processor (syscall.RawSyscall). A call that does not sleep is not interrupted,
// so EINTR comes from epollWait alone.

// recv reads from a socket.
func recv(fd int32, p []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), 0, 0, 0)
	return int(n), e
}

// peek reports how a socket's stream begins, and takes nothing from it: how many of len(p) bytes are there, 0 for the
// end.
func peek(fd int32, p []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), unix.MSG_PEEK, 0, 0)
	return int(n), e
}

// atMark reports whether urgent data is what comes next (sockatmark(3)).
func atMark(fd int32) bool {
	var v int32
	_, _, e := syscall.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCATMARK, uintptr(unsafe.Pointer(&v)))
	return e == 0 && v != 0
}

// send writes to a socket and raises no SIGPIPE.
func send(fd int32, p []byte, flags int) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), uintptr(unix.MSG_NOSIGNAL|flags), 0, 0)
	return int(n), e
}

// splice moves up to n bytes between a socket and a pipe inside the kernel (splice(2)). It never sets SPLICE_F_MORE,
// which would hold back a small last piece for 200 ms.
func splice(from, to int32, n int) (int, syscall.Errno) {
	m, _, e := syscall.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n),
		unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
	return int(m), e
}

// readPipe reads from a pipe.
func readPipe(fd int32, p []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)))
	return int(n), e
}

// closeFD closes a descriptor. Linux frees it even where close(2) reports an error.
func closeFD(fd int32) { syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// shutdownWrite sends FIN after what is still queued.
func shutdownWrite(fd int32) syscall.Errno {
	_, _, e := syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return e
}

// setInt sets an integer socket option.
func setInt(fd int32, level, option, value int) syscall.Errno {
	v := int32(value)
	_, _, e := syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&v)), 4, 0)
	return e
}

// refuses reports whether errno is the answer of a filter of system calls, a security module or an old kernel to a call
// that it does not allow.
func refuses(errno syscall.Errno) bool {
	switch errno {
	case unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EOPNOTSUPP:
		return true
	}
	return false
}

// abortOnClose makes the next close(2) send RST and drop what is queued (socket(7), SO_LINGER with no time). Where that
// is refused, connect(2) to AF_UNSPEC does the same. With FIN, the receiver would take a part for the whole.
func abortOnClose(fd int32) {
	l := unix.Linger{Onoff: 1}
	_, _, e := syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER,
		uintptr(unsafe.Pointer(&l)), unsafe.Sizeof(l), 0)
	if e != 0 {
		disconnect(fd)
	}
}

// socketError takes the pending error of a socket.
func socketError(fd int32) syscall.Errno {
	var v int32
	size := uint32(4)
	_, _, e := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR,
		uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&size)), 0)
	if e != 0 {
		return e
	}
	return syscall.Errno(v)
}

// hungUp reports whether the peer has sent FIN or RST (poll(2)). It takes nothing away: later calls find it as well.
func hungUp(fd int32) bool {
	look := unix.PollFd{Fd: fd, Events: unix.POLLRDHUP}
	var now unix.Timespec
	n, _, e := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&look)), 1, uintptr(unsafe.Pointer(&now)),
		0, 0, 0)
	return e == 0 && n == 1
}

// unacknowledged returns how many bytes written to a TCP socket its peer has not acknowledged (tcp(7), SIOCOUTQ).
func unacknowledged(fd int32) int {
	var v int32
	_, _, e := syscall.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCOUTQ, uintptr(unsafe.Pointer(&v)))
	if e != 0 {
		return guessUnacknowledged(fd)
	}
	return int(v)
}

// guessUnacknowledged stands in for unacknowledged where SIOCOUTQ is refused. It is not exact, but above 0 as long as
// anything is unacknowledged.
func guessUnacknowledged(fd int32) int {
	var info unix.TCPInfo
	if !tcpInfo(fd, &info) {
		return 0
	}
	return int(info.Unacked*info.Snd_mss + info.Notsent_bytes)
}

// unread returns how many bytes stand in a pipe (pipe(7), FIONREAD), or have come in order for a TCP socket (tcp(7),
// SIOCINQ; the same number). Where urgent data is kept out of line, bytes behind a mark are not counted. -1: the kernel
// does not tell.
func unread(fd int32) int {
	var v int32
	_, _, e := syscall.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCINQ, uintptr(unsafe.Pointer(&v)))
	if e != 0 {
		return -1
	}
	return int(v)
}

// tcpInfo fills info, and reports false for a socket that is not TCP.
func tcpInfo(fd int32, info *unix.TCPInfo) bool {
	size := uint32(unsafe.Sizeof(*info))
	_, _, e := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&size)), 0)
	return e == 0
}

// accept4 takes one connection off a listening socket's queue, non-blocking and closed on exec.
func accept4(fd int32, from *unix.RawSockaddrAny) (int32, syscall.Errno) {
	size := uint32(unsafe.Sizeof(*from))
	n, _, e := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(from)),
		uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int32(n), e
}

// peerName fails with ENOTCONN until a socket is connected.
func peerName(fd int32, raw *unix.RawSockaddrAny) syscall.Errno {
	size := uint32(unsafe.Sizeof(*raw))
	_, _, e := syscall.RawSyscall(unix.SYS_GETPEERNAME, uintptr(fd), uintptr(unsafe.Pointer(raw)),
		uintptr(unsafe.Pointer(&size)))
	return e
}

// sockName tells what a socket is bound to.
func sockName(fd int32, raw *unix.RawSockaddrAny) syscall.Errno {
	size := uint32(unsafe.Sizeof(*raw))
	_, _, e := syscall.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(raw)),
		uintptr(unsafe.Pointer(&size)))
	return e
}

// localAddress returns the address that a socket is bound to.
func localAddress(fd int32) pool.Address {
	var raw unix.RawSockaddrAny
	if sockName(fd, &raw) != 0 {
		return pool.Address{}
	}
	if raw.Addr.Family == unix.AF_UNIX {
		return unixAddress(&raw)
	}
	return pool.TCPAddress(addrPort(&raw))
}

// remoteAddress returns the address of a socket's peer.
func remoteAddress(fd int32) pool.Address {
	var raw unix.RawSockaddrAny
	switch {
	case peerName(fd, &raw) != 0:
		return pool.Address{}
	case raw.Addr.Family == unix.AF_UNIX:
		return unixAddress(&raw)
	}
	return pool.TCPAddress(addrPort(&raw))
}

// netAddr returns a as package net has it.
func netAddr(a pool.Address) net.Addr {
	if a.IsUNIX() {
		return &net.UnixAddr{Net: "unix", Name: a.Path()}
	}
	return net.TCPAddrFromAddrPort(a.TCP())
}

func unixAddress(raw *unix.RawSockaddrAny) pool.Address {
	u := (*unix.RawSockaddrUnix)(unsafe.Pointer(raw))
	path := make([]byte, 0, len(u.Path))
	for i, c := range u.Path {
		switch {
		case c != 0:
			path = append(path, byte(c))
		case i == 0:
			path = append(path, '@')
		default:
			return pool.UNIXAddress(string(path))
		}
	}
	return pool.UNIXAddress(string(path))
}

// addrPort reads an IPv4 or IPv6 socket address; anything else gives the zero AddrPort.
func addrPort(raw *unix.RawSockaddrAny) netip.AddrPort {
	switch raw.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(raw))
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), networkPort(&a.Port))
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(raw))
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), networkPort(&a.Port))
	}
	return netip.AddrPort{}
}

// clientAddress reads the address of the peer of the socket fd. A link-local one has the interface that it came by.
func clientAddress(fd int32, raw *unix.RawSockaddrAny) netip.AddrPort {
	at := addrPort(raw)
	if ip := at.Addr(); ip.Is6() && ip.IsLinkLocalUnicast() {
		index := (*unix.RawSockaddrInet6)(unsafe.Pointer(raw)).Scope_id
		return netip.AddrPortFrom(ip.WithZone(zoneName(fd, index)), at.Port())
	}
	return at
}

// zoneName returns the name of the interface with that number, else the number: the reverse of zoneIndex (netdevice(7),
// SIOCGIFNAME).
func zoneName(fd int32, index uint32) string {
	r := struct { // struct ifreq
		name  [unix.IFNAMSIZ]byte
		index int32
		_     [20]byte
	}{index: int32(index)}
	_, _, e := syscall.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGIFNAME, uintptr(unsafe.Pointer(&r)))
	if name := unix.ByteSliceToString(r.name[:]); e == 0 && name != "" {
		return name
	}
	return strconv.FormatUint(uint64(index), 10)
}

// networkPort reads a port that stands in network byte order.
func networkPort(p *uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(p))
	return uint16(b[0])<<8 | uint16(b[1])
}

func setNetworkPort(p *uint16, port uint16) {
	b := (*[2]byte)(unsafe.Pointer(p))
	b[0], b[1] = byte(port>>8), byte(port)
}

// rawAddress writes a into raw, except for the interface of a link-local address, and returns its family and size.
func rawAddress(a pool.Address, raw *unix.RawSockaddrAny) (family int, size uintptr) {
	*raw = unix.RawSockaddrAny{}
	if a.IsUNIX() {
		return unix.AF_UNIX, rawUNIX(a.Path(), (*unix.RawSockaddrUnix)(unsafe.Pointer(raw)))
	}
	ap := a.TCP()
	if ap.Addr().Is4() {
		r := (*unix.RawSockaddrInet4)(unsafe.Pointer(raw))
		r.Family, r.Addr = unix.AF_INET, ap.Addr().As4()
		setNetworkPort(&r.Port, ap.Port())
		return unix.AF_INET, unix.SizeofSockaddrInet4
	}
	r := (*unix.RawSockaddrInet6)(unsafe.Pointer(raw))
	r.Family, r.Addr = unix.AF_INET6, ap.Addr().As16()
	setNetworkPort(&r.Port, ap.Port())
	return unix.AF_INET6, unix.SizeofSockaddrInet6
}

// setZone writes the interface that a link-local a names into raw, for socket fd. It looks the interface up each time,
// as an interface may come later, or come back with another number.
func setZone(fd int32, a pool.Address, raw *unix.RawSockaddrAny) {
	if zone := a.TCP().Addr().Zone(); zone != "" {
		(*unix.RawSockaddrInet6)(unsafe.Pointer(raw)).Scope_id = zoneIndex(fd, zone)
	}
}

// zoneIndex returns the number of the interface called zone. Where there is none, zone itself may be a number; else 0.
// Any socket can be asked (netdevice(7), SIOCGIFINDEX). Package net would use a netlink socket and list all interfaces.
func zoneIndex(fd int32, zone string) uint32 {
	var r struct { // struct ifreq
		name  [unix.IFNAMSIZ]byte
		index int32
		_     [20]byte
	}
	if copy(r.name[:len(r.name)-1], zone) == len(zone) {
		_, _, e := syscall.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGIFINDEX, uintptr(unsafe.Pointer(&r)))
		if e == 0 {
			return uint32(r.index)
		}
	}
	n, _ := strconv.ParseUint(zone, 10, 32)
	return uint32(n)
}

func rawUNIX(path string, r *unix.RawSockaddrUnix) uintptr {
	r.Family = unix.AF_UNIX
	n := 0
	for ; n < len(path) && n < len(r.Path)-1; n++ {
		r.Path[n] = int8(path[n])
	}
	if path != "" && path[0] == '@' { // unix(7): an abstract name begins with a NUL and has no end mark
		r.Path[0] = 0
		return uintptr(2 + n)
	}
	return uintptr(2 + n + 1)
}

// stream makes a non-blocking stream socket.
func stream(family int) (int32, syscall.Errno) {
	fd, _, e := syscall.RawSyscall(unix.SYS_SOCKET, uintptr(family),
		unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return int32(fd), e
}

func bind(fd int32, raw *unix.RawSockaddrAny, size uintptr) syscall.Errno {
	_, _, e := syscall.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(raw)), size)
	return e
}

func connect(fd int32, raw *unix.RawSockaddrAny, size uintptr) syscall.Errno {
	_, _, e := syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(raw)), size)
	return e
}

// epollAdd, epollModify and epollRemove are epoll_ctl(2).
func epollAdd(ep, fd int32, ev *unix.EpollEvent) syscall.Errno {
	return epollControl(ep, unix.EPOLL_CTL_ADD, fd, ev)
}

func epollModify(ep, fd int32, ev *unix.EpollEvent) syscall.Errno {
	return epollControl(ep, unix.EPOLL_CTL_MOD, fd, ev)
}

func epollRemove(ep, fd int32) syscall.Errno {
	return epollControl(ep, unix.EPOLL_CTL_DEL, fd, &unix.EpollEvent{})
}

func epollControl(ep int32, op uintptr, fd int32, ev *unix.EpollEvent) syscall.Errno {
	_, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(ep), op, uintptr(fd), uintptr(unsafe.Pointer(ev)), 0, 0)
	return e
}

// epollWait is epoll_pwait(2) with no signal mask. A timeout other than 0 sleeps and keeps the processor meanwhile: see
// poller.
func epollWait(ep int32, events []unix.EpollEvent, milliseconds int) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(events))),
		uintptr(len(events)), uintptr(milliseconds), 0, 0)
	runtime.KeepAlive(events)
	return int(n), e
}
