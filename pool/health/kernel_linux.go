package health

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
)

// A kernel answers questions about sockets, over NETLINK_SOCK_DIAG (sock_diag(7)).
type kernel struct {
	fd    int
	buf   []byte
	asked uint32 // the number of the last request; its answers have the same
}

// Values from linux/sock_diag.h and linux/inet_diag.h.
const (
	sockDiagByFamily = 20
	stateListen      = 10 // TCP_LISTEN
	diagRequestSize  = 56 // struct inet_diag_req_v2
	diagMessageSize  = 72 // struct inet_diag_msg
	diagPortAt       = 4  // in network byte order
	diagAddressAt    = 8  // 16 bytes, of which IPv4 takes the first 4
	diagSocketAt     = 8  // struct inet_diag_sockid in a request: source port, destination port, source
	diagSourceAt     = diagSocketAt + 4
	diagArrivesAt    = diagSocketAt + 36 // the interface that a connection would arrive at
	diagCookieAt     = diagSocketAt + 40 // all ones: any
	diagDeviceAt     = 40                // in an answer: the interface that the socket is bound to, 0 for none
	diagWaitingAt    = 56                // idiag_rqueue: of a listening socket, how many wait
	diagMostAt       = 60                // idiag_wqueue: and how many may
	diagIPv6Only     = 11                // INET_DIAG_SKV6ONLY, one byte; every listening IPv6 socket has it
	loopbackDevice   = 1                 // LOOPBACK_IFINDEX, in every network namespace
)

// openKernel opens the netlink socket.
func openKernel() (*kernel, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_INET_DIAG)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	k := &kernel{fd: fd, buf: make([]byte, 32<<10)}
	patience := syscall.Timeval{Sec: 1} // it answers within the call: without an answer after a second, none will come
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &patience); err != nil {
		k.close()
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return k, nil
}

func (k *kernel) close() { syscall.Close(k.fd) }

// look returns the queues at places. Where places is nil, it returns those of all listening TCP sockets.
//
// For all sockets the kernel goes through a table of up to 65,536 places, once for each family. That takes 40 µs, or a
// millisecond when the table is not in a cache. One place takes 2 µs: the kernel looks it up as for an arriving SYN. Of
// several sockets at one place (SO_REUSEPORT) it then tells of one only.
func (k *kernel) look(places []netip.AddrPort) (queues, error) {
	found := make(queues, len(places))
	ask := k.dump
	if places != nil {
		ask = func(found queues) error { return k.lookAt(places, found) }
	}
	if err := ask(found); err != nil {
		return nil, fmt.Errorf("ask the kernel for listening sockets: %w", err)
	}
	return found, nil
}

// dump adds all listening sockets.
func (k *kernel) dump(found queues) error {
	for _, family := range [...]byte{syscall.AF_INET, syscall.AF_INET6} {
		if err := k.ask(dumpRequest(family), found.add); err != nil {
			return err
		}
	}
	return nil
}

// lookAt adds the sockets that listen at places.
func (k *kernel) lookAt(places []netip.AddrPort, found queues) error {
	for _, place := range places {
		err := k.ask(placeRequest(place), func(m []byte) { found.addAt(place, m) })
		if err != nil && !errors.Is(err, syscall.ENOENT) {
			return err
		}
	}
	return nil
}

// ask sends a request, and has take called with each message of the kernel's answer. Each request has its number: the
// answer to an earlier request, for which nobody waits any more, may arrive before the answer to this one.
func (k *kernel) ask(request []byte, take func(message []byte)) error {
	k.asked++
	binary.NativeEndian.PutUint32(request[8:], k.asked)
	dumps := binary.NativeEndian.Uint16(request[6:])&syscall.NLM_F_DUMP == syscall.NLM_F_DUMP
	if err := syscall.Sendto(k.fd, request, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	told := false
	tell := func(message []byte) {
		told = true
		take(message)
	}
	for {
		n, from, err := syscall.Recvfrom(k.fd, k.buf, 0)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("recvfrom", err)
		}
		if sender, ok := from.(*syscall.SockaddrNetlink); !ok || sender.Pid != 0 {
			continue // not the kernel
		}
		done, err := read(k.buf[:n], k.asked, tell)
		if done || err != nil || told && !dumps { // an answer that is no dump is one message, without an end mark
			return err
		}
	}
}

// read calls take with each socket in a part of an answer, and reports whether the kernel marks that part as the last.
// Messages with another number than asked are skipped.
func read(answer []byte, asked uint32, take func(message []byte)) (done bool, err error) {
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return false, err
	}
	for _, m := range messages {
		if m.Header.Seq != asked {
			continue
		}
		switch m.Header.Type {
		case syscall.NLMSG_DONE: // with a negative number where the kernel broke off: sockets may be missing then
			if len(m.Data) >= 4 && int32(binary.NativeEndian.Uint32(m.Data)) < 0 {
				return true, netlinkError(m.Data)
			}
			return true, nil
		case syscall.NLMSG_ERROR:
			return false, netlinkError(m.Data)
		case sockDiagByFamily:
			take(m.Data)
		}
	}
	return false, nil
}

// dumpRequest asks for all listening TCP sockets of a family.
func dumpRequest(family byte) []byte { return diagRequest(family, syscall.NLM_F_DUMP) }

// placeRequest asks for the socket that takes connections to a place on loopback. It may be bound to the loopback
// interface.
func placeRequest(place netip.AddrPort) []byte {
	family := byte(syscall.AF_INET)
	if !place.Addr().Is4() {
		family = syscall.AF_INET6
	}
	b := diagRequest(family, 0)
	r := b[syscall.NLMSG_HDRLEN:]
	binary.BigEndian.PutUint16(r[diagSocketAt:], place.Port())
	copy(r[diagSourceAt:], place.Addr().AsSlice())
	binary.NativeEndian.PutUint32(r[diagArrivesAt:], loopbackDevice)
	binary.NativeEndian.PutUint64(r[diagCookieAt:], ^uint64(0))
	return b
}

func diagRequest(family byte, flags uint16) []byte {
	b := make([]byte, syscall.NLMSG_HDRLEN+diagRequestSize)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(b[6:], syscall.NLM_F_REQUEST|flags)
	r := b[syscall.NLMSG_HDRLEN:]
	r[0], r[1] = family, syscall.IPPROTO_TCP
	binary.NativeEndian.PutUint32(r[4:], 1<<stateListen)
	return b
}

// netlinkError reads the body of NLMSG_ERROR or NLMSG_DONE, which begins with a negative errno.
func netlinkError(b []byte) error {
	if len(b) < 4 {
		return errors.New("a netlink error without a number")
	}
	return syscall.Errno(-int32(binary.NativeEndian.Uint32(b)))
}

// add adds the socket of a struct inet_diag_msg at the address that it listens at. A socket for all of IPv6 and IPv4 is
// added at both. A socket that is bound to a device other than loopback is left out: it takes no connection over
// loopback.
func (q queues) add(m []byte) {
	if len(m) < diagMessageSize {
		return
	}
	if device := binary.NativeEndian.Uint32(m[diagDeviceAt:]); device != 0 && device != loopbackDevice {
		return
	}
	size := 4
	if m[0] == syscall.AF_INET6 {
		size = 16
	}
	ip, _ := netip.AddrFromSlice(m[diagAddressAt : diagAddressAt+size])
	port := binary.BigEndian.Uint16(m[diagPortAt:])
	q.addAt(netip.AddrPortFrom(ip, port), m)
	if ip == netip.IPv6Unspecified() && !ipv6Only(m[diagMessageSize:]) {
		q.addAt(netip.AddrPortFrom(allOfIPv4, port), m)
	}
}

// ipv6Only reports whether a socket takes no IPv4 (ipv6(7), IPV6_V6ONLY), from the attributes at the end of its
// message.
func ipv6Only(attributes []byte) bool {
	for len(attributes) >= syscall.SizeofRtAttr {
		size, kind := int(binary.NativeEndian.Uint16(attributes)), binary.NativeEndian.Uint16(attributes[2:])
		if size < syscall.SizeofRtAttr || size > len(attributes) {
			return false
		}
		if kind == diagIPv6Only && size > syscall.SizeofRtAttr {
			return attributes[syscall.SizeofRtAttr] != 0
		}
		attributes = attributes[min((size+3)&^3, len(attributes)):] // each begins at a multiple of four
	}
	return false
}

// addAt adds the socket of m at the address at.
func (q queues) addAt(at netip.AddrPort, m []byte) {
	if len(m) < diagMessageSize {
		return
	}
	q[at] = queue{
		waiting: q[at].waiting + int(binary.NativeEndian.Uint32(m[diagWaitingAt:])),
		most:    q[at].most + int(binary.NativeEndian.Uint32(m[diagMostAt:])),
	}
}
