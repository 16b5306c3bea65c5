package health

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
)

// Where nobody listens, and the kernel happens to choose the very port that is asked as the one to ask from, the socket
// is connected to itself.
func TestNobodyAnswersHimself(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			family, any := sockaddr(netip.AddrPortFrom(netip.MustParseAddr(ip), 0))
			fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, syscall.IPPROTO_TCP)
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Bind(fd, any); err != nil {
				syscall.Close(fd)
				t.Skip(err)
			}
			own, _ := syscall.Getsockname(fd)
			if err := knockOver(t.Context(), fd, own); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("got %v, want %v", err, syscall.ECONNREFUSED)
			}
		})
	}
}
