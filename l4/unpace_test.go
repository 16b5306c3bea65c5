package l4

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnpacedSocketHasThePlainControl asks the kernel, for a loopback socket and for one that is not.
func TestUnpacedSocketHasThePlainControl(t *testing.T) {
	for _, local := range []bool{true, false} {
		fd, errno := stream(unix.AF_INET)
		if errno != 0 {
			t.Fatal(errno)
		}
		before, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		if err != nil {
			t.Fatal(err)
		}
		e := side{fd: fd, tcp: true, local: local}
		e.unpace()
		want := before
		if local {
			want = plainControl
		}
		if got, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION); err != nil || got != want {
			t.Errorf("local %v: congestion control %q, %v; want %q", local, got, err, want)
		}
		closeFD(e.fd)
	}
}
