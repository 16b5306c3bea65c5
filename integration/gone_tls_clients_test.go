package integration

import (
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// Clients that send a ClientHello and reset the connection, far more a second than handshakes can be computed, cost
// next to nothing: those that stay are served meanwhile, memory does not grow, and a stop need not wait for what nobody
// wants any more.
func TestGoneTLSClientsCostNothing(t *testing.T) {
	measures(t)
	a := l4test.NewAuthority(t)
	f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}, Key: l4test.RSA})),
		"--handshakes", "1", "--drain-timeout", "10s", l4test.Echo(t).Addr())...)
	client := a.Client("a.example")
	exchangeTLS(t, f, client)
	before := f.Memory()
	const most = 48 << 20

	attack := startLeaving(t, f, clientHello(t, client))
	served := 0
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); served++ {
		exchangeTLS(t, f, client)
	}
	if grown := f.Memory() - before; grown > most {
		t.Errorf("forebay holds %d MiB more, want %d at most", grown>>20, most>>20)
	}
	gone := attack.stop()
	f.Signal(syscall.SIGTERM)
	began := time.Now()
	status := f.Wait()
	if took := time.Since(began); status != 0 || took > slack {
		t.Errorf("SIGTERM ended it after %v with status %d, want 0, and at once", took, status)
	}
	t.Logf("%d clients left; %d were served meanwhile", gone, served)
}

// A leaving is clients that come and leave, 2,000 a second, or as many as the machine can bear.
type leaving struct {
	stop func() int64 // ends it and tells how many there were
}

// startLeaving has clients say hello and reset.
func startLeaving(t *testing.T, f *forebay, hello string) leaving {
	var gone atomic.Int64
	var all sync.WaitGroup
	ended := make(chan struct{})
	for range 2 {
		all.Go(func() {
			ticks := time.NewTicker(10 * time.Millisecond)
			defer ticks.Stop()
			for {
				for range 10 {
					if p, err := l4test.TryDial(t, f.Addr()); err == nil {
						p.Send(hello).Reset()
						gone.Add(1)
					}
				}
				select {
				case <-ended:
					return
				case <-ticks.C:
				}
			}
		})
	}
	l := leaving{stop: sync.OnceValue(func() int64 { close(ended); all.Wait(); return gone.Load() })}
	t.Cleanup(func() { l.stop() })
	return l
}
