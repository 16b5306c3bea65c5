package health

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"syscall"
	"testing"
)

// netlinkMessage returns a message of the kernel's.
func netlinkMessage(kind uint16, body string) string {
	b := binary.NativeEndian.AppendUint32(nil, uint32(syscall.NLMSG_HDRLEN+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, make([]byte, syscall.NLMSG_HDRLEN-len(b))...)
	return string(b) + body
}

// number returns n as C has it, in an answer of the kernel's.
func number(n int32) string { return string(binary.NativeEndian.AppendUint32(nil, uint32(n))) }

// diagMessage tells of a socket that listens at a.
func diagMessage(a netip.AddrPort, waiting, most int32) string {
	m := make([]byte, diagMessageSize)
	m[0] = syscall.AF_INET
	if a.Addr().Is6() {
		m[0] = syscall.AF_INET6
	}
	binary.BigEndian.PutUint16(m[diagPortAt:], a.Port())
	copy(m[diagAddressAt:], a.Addr().AsSlice())
	copy(m[diagWaitingAt:], number(waiting))
	copy(m[diagMostAt:], number(most))
	return netlinkMessage(sockDiagByFamily, string(m))
}

// Sockets that share an address count as one, and an address that is mapped into IPv6 is the plain one.
func TestKernelsAnswer(t *testing.T) {
	at := netip.MustParseAddrPort("127.0.0.1:8000")
	found := make(queues)
	answer := diagMessage(at, 1, 5) + diagMessage(netip.MustParseAddrPort("[::ffff:127.0.0.1]:8000"), 2, 5) + diagMessage(netip.MustParseAddrPort("[::1]:8000"), 0, 7)
	if done, err := read([]byte(answer), found.add); done || err != nil {
		t.Errorf("got %v, %v, want more to come", done, err)
	}
	if done, err := read([]byte(netlinkMessage(syscall.NLMSG_DONE, number(0))), found.add); !done || err != nil {
		t.Errorf("got %v, %v, want the end", done, err)
	}
	if got := found[at]; got != (queue{3, 10}) || len(found) != 2 {
		t.Errorf("got %v", found)
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
		if _, err := read([]byte(answer), make(queues).add); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", answer, err, want)
		}
	}
}

// FuzzKernelsAnswer: no answer makes it panic.
func FuzzKernelsAnswer(f *testing.F) {
	f.Add([]byte(diagMessage(netip.MustParseAddrPort("[::1]:1"), 1, 2) + netlinkMessage(syscall.NLMSG_DONE, number(0))))
	f.Add([]byte(netlinkMessage(syscall.NLMSG_ERROR, number(-2))))
	f.Fuzz(func(t *testing.T, b []byte) {
		found := make(queues)
		if _, err := read(b, found.add); err == nil && len(found) > len(b)/diagMessageSize {
			t.Errorf("%d sockets in %d bytes", len(found), len(b))
		}
	})
}
