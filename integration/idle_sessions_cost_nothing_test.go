package integration

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
)

// Nine thousand sessions are held, or as many as the descriptor limit allows: two descriptors each, no CPU at all, and
// then every one echoes.
func TestIdleSessionsCostNothing(t *testing.T) {
	measures(t)
	n := sessionsThatFit(t, 9000)
	f := start(t, echoElsewhere(t))
	l4test.Dial(t, f.Addr()).Send("warm").Expect("warm").CloseWrite().ExpectEOF()
	f.Session() // which has ended then, descriptors and all
	descriptors, memory := f.Descriptors(), f.Memory()
	clients := make([]*l4test.Peer, n)
	for i := range clients {
		clients[i] = l4test.Dial(t, f.Addr()).Send("a")
	}
	for _, c := range clients {
		c.Expect("a")
	}
	if got := f.Descriptors() - descriptors; got < 2*n || got > 2*n+loopDescriptors {
		t.Errorf("%d sessions hold %d descriptors, want %d", n, got, 2*n)
	}
	t.Logf("%d sessions, %d bytes each", n, (f.Memory()-memory)/int64(n))
	f.AwaitRest(2*time.Second, 10*time.Millisecond) // one tick of the kernel's clock may be anyone's
	for _, c := range clients {
		c.Send("b")
	}
	for _, c := range clients {
		c.Expect("b").Reset()
	}
	f.AwaitDescriptors(t, descriptors+loopDescriptors)
}

// sessionsThatFit returns n, or fewer where this process or forebay may not hold that many.
func sessionsThatFit(t *testing.T, n int) int {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	fit := (int(min(limit.Max, 1<<20)) - 500) / 2
	if fit < 200 {
		t.Skipf("a descriptor limit of %d leaves no room for many sessions", limit.Max)
	}
	return min(n, fit)
}
