package health

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// asked is the number of the request that netlinkMessage answers.
const asked = 7

// netlinkMessage returns a message of the kernel's.
func netlinkMessage(kind uint16, body string) string {
	b := binary.NativeEndian.AppendUint32(nil, uint32(syscall.NLMSG_HDRLEN+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, 0)
	b = binary.NativeEndian.AppendUint32(b, asked)
	b = append(b, make([]byte, syscall.NLMSG_HDRLEN-len(b))...)
	return string(b) + body
}

// number returns n as C has it, in an answer of the kernel's.
func number(n int32) string { return string(binary.NativeEndian.AppendUint32(nil, uint32(n))) }

// diagMessage tells of a socket that listens at a, with further attributes.
func diagMessage(a netip.AddrPort, waiting, most int32, attributes ...string) string {
	m := make([]byte, diagMessageSize)
	m[0] = syscall.AF_INET
	if a.Addr().Is6() {
		m[0] = syscall.AF_INET6
	}
	binary.BigEndian.PutUint16(m[diagPortAt:], a.Port())
	copy(m[diagAddressAt:], a.Addr().AsSlice())
	copy(m[diagWaitingAt:], number(waiting))
	copy(m[diagMostAt:], number(most))
	return netlinkMessage(sockDiagByFamily, string(m)+strings.Join(attributes, ""))
}

// attribute is one of a message's, padded.
func attribute(kind uint16, value string) string {
	b := binary.NativeEndian.AppendUint16(nil, uint16(syscall.SizeofRtAttr+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return string(append(b, make([]byte, -len(b)&3)...))
}

// onDevice is the message of a socket that is bound to an interface.
func onDevice(message string, device int32) string {
	b := []byte(message)
	copy(b[syscall.NLMSG_HDRLEN+diagDeviceAt:], number(device))
	return string(b)
}

// Sockets that share an address count as one.
func TestKernelsAnswer(t *testing.T) {
	at := netip.MustParseAddrPort("127.0.0.1:8000")
	found := make(queues)
	answer := diagMessage(at, 1, 5) + diagMessage(at, 2, 5) + diagMessage(netip.MustParseAddrPort("[::1]:8000"), 0, 7)
	if done, err := read([]byte(answer), asked, found.add); done || err != nil {
		t.Errorf("got %v, %v, want more to come", done, err)
	}
	if done, err := read([]byte(netlinkMessage(syscall.NLMSG_DONE, number(0))), asked, found.add); !done || err != nil {
		t.Errorf("got %v, %v, want the end", done, err)
	}
	if got := found[at]; got != (queue{3, 10}) || len(found) != 2 {
		t.Errorf("got %v", found)
	}
}

// Of several sockets that could take a connection the kernel gives it to one, whatever the order in which it tells of
// them.
func TestSocketThatTakesAConnection(t *testing.T) {
	listens := func(at string, waiting int32, attributes ...string) string {
		return diagMessage(netip.MustParseAddrPort(at), waiting, 5, attributes...)
	}
	only, both := attribute(diagIPv6Only, "\x01"), attribute(diagIPv6Only, "\x00")
	for _, test := range []struct {
		name    string
		sockets []string
		v4, v6  int // how many wait at 127.0.0.1 and ::1; -1: nothing takes connections to it
	}{
		{"two wildcards", []string{listens("[::]:80", 1, only), listens("0.0.0.0:80", 2)}, 2, 1},
		{"IPv6 alone", []string{listens("[::]:80", 1, only)}, -1, 1},
		{"IPv4 alone", []string{listens("0.0.0.0:80", 2)}, 2, -1},
		{"one for both", []string{listens("[::]:80", 1, attribute(8, "\x00"), both)}, 1, 1},
		{"one for both, of a kernel that does not tell", []string{listens("[::]:80", 1)}, 1, 1},
		{"one for both and one for IPv4", []string{listens("[::]:80", 1, both), listens("0.0.0.0:80", 2)}, 2, 1},
		{"mapped wildcard", []string{listens("[::ffff:0.0.0.0]:80", 3)}, 3, -1},
		{"mapped address", []string{listens("[::ffff:127.0.0.1]:80", 3), listens("0.0.0.0:80", 2)}, 3, -1},
		{"IPv4 before mapped", []string{listens("[::ffff:127.0.0.1]:80", 3), listens("127.0.0.1:80", 4)}, 4, -1},
		{"the address before all", []string{listens("127.0.0.1:80", 4), listens("[::1]:80", 5), listens("[::]:80", 1, both)}, 4, 5},
		{"another device", []string{onDevice(listens("127.0.0.1:80", 4), 2), listens("0.0.0.0:80", 2)}, 2, -1},
		{"loopback's device", []string{onDevice(listens("127.0.0.1:80", 4), loopbackDevice), listens("0.0.0.0:80", 2)}, 4, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 2 {
				found := make(queues)
				if _, err := read([]byte(strings.Join(test.sockets, "")), asked, found.add); err != nil {
					t.Fatal(err)
				}
				for at, want := range map[string]int{"127.0.0.1:80": test.v4, "[::1]:80": test.v6} {
					q, ok := found.at(netip.MustParseAddrPort(at))
					if ok != (want >= 0) || ok && q.waiting != want {
						t.Errorf("%s: got %v, %v, want %d", at, q, ok, want)
					}
				}
				slices.Reverse(test.sockets)
			}
		})
	}
}

// An answer to a request that was given up is none to the next one.
func TestLateAnswerIsPassedOver(t *testing.T) {
	at := netip.MustParseAddrPort("127.0.0.1:8000")
	late := diagMessage(at, 1, 5) + netlinkMessage(syscall.NLMSG_DONE, number(0)) + netlinkMessage(syscall.NLMSG_ERROR, number(-2))
	found := make(queues)
	if done, err := read([]byte(late), asked+1, found.add); done || err != nil || len(found) > 0 {
		t.Errorf("got %v, %v, %v, want nothing taken in", done, err, found)
	}
}

// The kernel's own late answers: to a request for one place, which nobody has waited for, and to one for all.
func TestKernelsLateAnswers(t *testing.T) {
	k, err := openKernel()
	if err != nil {
		t.Skipf("this system does not tell: %v", err)
	}
	defer k.close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	listening := netip.MustParseAddrPort(l.Addr().String())
	nothing := netip.AddrPortFrom(netip.MustParseAddr("127.9.9.9"), listening.Port())
	for name, request := range map[string][]byte{"a place": placeRequest(listening), "all": dumpRequest(syscall.AF_INET)} {
		if err := syscall.Sendto(k.fd, request, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
			t.Fatal(err)
		}
		found, err := k.look([]netip.AddrPort{nothing})
		if err != nil || len(found) != 0 {
			t.Errorf("after a request for %s that nobody waited for: got %v, %v at %v, want nothing", name, found, err, nothing)
		}
		if found, err = k.look(nil); err != nil || found[listening].most == 0 {
			t.Errorf("after that: got %v, %v, want %v among all", found, err, listening)
		}
	}
}

// A socket that is bound to loopback's interface takes connections there, and the kernel tells of it whether it is
// asked for one place or for all.
func TestKernelTellsOfSocketsBoundToLoopback(t *testing.T) {
	k, err := openKernel()
	if err != nil {
		t.Skipf("this system does not tell: %v", err)
	}
	defer k.close()
	bind := func(_, _ string, c syscall.RawConn) (err error) {
		c.Control(func(fd uintptr) { err = syscall.BindToDevice(int(fd), "lo") })
		return err
	}
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := (&net.ListenConfig{Control: bind}).Listen(t.Context(), "tcp", at)
		if err != nil {
			t.Skipf("listen at %s on the interface lo: %v", at, err)
		}
		defer l.Close()
		place := netip.MustParseAddrPort(l.Addr().String())
		for name, places := range map[string][]netip.AddrPort{"one place": {place}, "all": nil} {
			if found, err := k.look(places); err != nil || found[place].most == 0 {
				t.Errorf("asked for %s: got %v, %v, want %v among it", name, found, err, place)
			}
		}
	}
}

// An answer that the kernel breaks off is no proof that what it leaves out is gone.
func TestKernelsAnswerThatIsNone(t *testing.T) {
	for answer, want := range map[string]string{
		netlinkMessage(syscall.NLMSG_DONE, number(-int32(syscall.ENOMEM))):  syscall.ENOMEM.Error(),
		netlinkMessage(syscall.NLMSG_ERROR, number(-int32(syscall.ENOENT))): syscall.ENOENT.Error(),
		netlinkMessage(syscall.NLMSG_ERROR, ""):                             "without a number",
		netlinkMessage(sockDiagByFamily, strings.Repeat("x", 72))[:40]:      syscall.EINVAL.Error(),
	} {
		if _, err := read([]byte(answer), asked, make(queues).add); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", answer, err, want)
		}
	}
}

// FuzzKernelsAnswer: no answer makes it panic.
func FuzzKernelsAnswer(f *testing.F) {
	f.Add([]byte(diagMessage(netip.MustParseAddrPort("[::1]:1"), 1, 2) + netlinkMessage(syscall.NLMSG_DONE, number(0))))
	f.Add([]byte(netlinkMessage(syscall.NLMSG_ERROR, number(-2))))
	f.Add([]byte(diagMessage(netip.MustParseAddrPort("[::]:1"), 1, 2, attribute(diagIPv6Only, "\x00"), attribute(3, "xyz")) + netlinkMessage(sockDiagByFamily, "")))
	f.Fuzz(func(t *testing.T, b []byte) {
		found := make(queues)
		if _, err := read(b, asked, found.add); err == nil && len(found) > 2*len(b)/diagMessageSize {
			t.Errorf("%d sockets in %d bytes", len(found), len(b))
		}
	})
}
