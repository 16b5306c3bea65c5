package integration

import (
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// Twenty thousand connections later, some reset, some closed by the client and some by the backend, forebay holds what
// it held before.
func TestChurnLeavesNothing(t *testing.T) {
	measures(t)
	b := l4test.Serve(t, func(p *l4test.Peer) {
		var m [1]byte
		if n, _ := p.Conn().Read(m[:]); n == 1 {
			p.Conn().Write(m[:])
			if m[0] == 'c' { // otherwise this side closes first
				p.Conn().Read(m[:])
			}
		}
	})
	f := start(t, "--log", "off", b.Addr())
	churn(t, f.Addr(), 3000)
	l4test.Await(t, patience, "the first sessions' end", func() bool { return b.Open() == 0 })
	descriptors, memory := f.Descriptors(), f.Memory()
	churn(t, f.Addr(), 20000)
	f.AwaitDescriptors(t, descriptors+loopDescriptors)
	if grown := f.Memory() - memory; grown > 4*mib {
		t.Errorf("forebay holds %d KiB more after 20000 connections, want 4096 at most", grown>>10)
	}
	if n := f.Threads(); n > 16+4*runtime.NumCPU() {
		t.Errorf("forebay has %d threads, want no more than a few per processor", n)
	}
}

// churn makes n connections, a few at a time.
func churn(t *testing.T, addr string, n int) {
	t.Helper()
	const workers = 8
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range n / workers {
				if err := exchange(addr, i); err != nil {
					t.Errorf("worker %d, connection %d: %v", w, i, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// exchange makes one connection, and ends it in one of three ways.
func exchange(addr string, i int) error {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	b := []byte("csc")[i%3:][:1]
	if i%3 == 2 {
		conn.(*net.TCPConn).SetLinger(0)
	}
	if _, err := conn.Write(b); err != nil {
		return err
	}
	if _, err := conn.Read(b); err != nil {
		return err
	}
	if i%3 == 1 {
		conn.Read(b) // the backend's FIN
	}
	return nil
}
