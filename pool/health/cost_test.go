package health

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"forebay/pool"
)

// BenchmarkThousandBackends checks a thousand listening backends for 4 s, and reports what a check costs with all that
// is in it, and which share of a processor a thousand take every 2 s.
func BenchmarkThousandBackends(b *testing.B) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	all := backends(1000)
	port := l.Addr().(*net.TCPAddr).Port
	for i := range all { // one listener at a thousand addresses of the loopback network
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}), uint16(port))
		all[i].Addrs = []pool.Address{pool.TCPAddress(at)}
	}
	p, err := pool.New(pool.Options{}, all)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		before := processTime(b)
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
		var counted counted
		NewChecker(p, &counted).Run(ctx)
		cancel()
		each := (processTime(b) - before) / time.Duration(counted.n.Load())
		b.ReportMetric(float64(each)/float64(time.Microsecond), "µs/check")
		b.ReportMetric(100*each.Seconds()*1000/2, "%cpu")
	}
}

// counted is TCP, and how often it was asked.
type counted struct {
	TCP
	n atomic.Int64
}

func (c *counted) Probe(ctx context.Context, t Target) Result {
	c.n.Add(1)
	return c.TCP.Probe(ctx, t)
}

func processTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
