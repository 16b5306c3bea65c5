package l4

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// There may be more events than one look takes. In neither way of sleeping does the loop sleep on the rest, nor on
// those that come after.
func TestMoreEventsThanOneLookTakes(t *testing.T) {
	for _, test := range []struct {
		name string
		busy bool
	}{{"with its processor in hand", true}, {"parked", false}} {
		t.Run(test.name, func(t *testing.T) {
			p, err := newPoller(false)
			if err != nil {
				t.Fatal(err)
			}
			defer p.close()
			const sockets = 3 * len(p.events)
			var fds []int
			for i := range sockets {
				fd, err := unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
				if err != nil {
					t.Fatal(err)
				}
				defer unix.Close(fd)
				if e := epollAdd(p.sessions, int32(fd), &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(i)}); e != 0 {
					t.Fatal(e)
				}
				fds = append(fds, fd)
			}
			var late atomic.Bool
			defer time.AfterFunc(patience, func() { late.Store(true); p.post() }).Stop()
			for round := range 2 {
				p.busy = test.busy
				p.post()
				seen := map[int32]bool{}
				for len(seen) < sockets+1 {
					events, err := p.wait(true)
					if err != nil || late.Load() || len(events) == 0 && test.busy && !p.busy {
						t.Fatalf("round %d: it sleeps on %d of %d events (%v)", round, sockets+1-len(seen), sockets+1, err)
					}
					for _, ev := range events {
						seen[ev.Fd] = true
					}
				}
				for _, fd := range fds {
					unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
				}
			}
		})
	}
}
