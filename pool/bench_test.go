package pool

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkPick is one session's cost in the pool: picked, connected, done, with as many others open as there are
// backends.
func BenchmarkPick(b *testing.B) {
	for _, policy := range Policies() {
		for _, n := range []int{4, 1000} {
			b.Run(fmt.Sprintf("%v/%d", policy, n), func(b *testing.B) {
				p := busyPool(b, policy, n)
				r := Request{Source: client(1)}
				b.ReportAllocs()
				for b.Loop() {
					session(b, p, &r)
				}
			})
		}
	}
}

func busyPool(t testing.TB, policy Policy, n int) *Pool {
	p := newPool(t, Options{Policy: policy, Queue: 16, LoadFactor: 1.25}, equal(n))
	for i := range n {
		l, err := p.Pick(&Request{Source: client(i)})
		if err != nil {
			t.Fatal(err)
		}
		l.Connected(time.Duration(i) * time.Microsecond)
	}
	return p
}

func session(t testing.TB, p *Pool, r *Request) {
	l, err := p.Pick(r)
	if err != nil {
		t.Fatal(err)
	}
	l.Connected(time.Millisecond)
	l.Done(Served)
}

func BenchmarkPickParallel(b *testing.B) {
	p := busyPool(b, RoundRobin, 4)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var r Request
		for pb.Next() {
			session(b, p, &r)
		}
	})
}

// BenchmarkUpdate replaces the configuration by one with one backend more or less.
func BenchmarkUpdate(b *testing.B) {
	for _, policy := range []Policy{RoundRobin, Source} {
		b.Run(fmt.Sprintf("%v/1000", policy), func(b *testing.B) {
			all := equal(1000)
			p := newPool(b, Options{Policy: policy}, all)
			for i := 0; b.Loop(); i++ {
				update(b, p, all[:999+i%2])
			}
		})
	}
}

// BenchmarkNew makes a pool; with the source policy that is its table.
func BenchmarkNew(b *testing.B) {
	for _, policy := range []Policy{RoundRobin, Source} {
		b.Run(fmt.Sprintf("%v/1000", policy), func(b *testing.B) {
			all := equal(1000)
			for b.Loop() {
				newPool(b, Options{Policy: policy}, all)
			}
		})
	}
}

// A session allocates nothing, also where a backend was tried before, and where it fills a backend and leaves it.
func TestPickAllocatesNothing(t *testing.T) {
	for _, policy := range Policies() {
		backends := equal(20)
		for i := range backends {
			backends[i].MaxConns = 1 + i%2
		}
		p := newPool(t, Options{Policy: policy, Queue: 1, LoadFactor: 1}, backends)
		first := pick(t, p)
		r := Request{Source: client(1), Tried: []*Backend{first.Backend()}}
		if n := testing.AllocsPerRun(200, func() { session(t, p, &r) }); n != 0 {
			t.Errorf("%v: got %v allocations a session, want 0", policy, n)
		}
	}
}

// BenchmarkQueue is what a session's end and a new client cost where as many wait as may, and a backup stands by for
// the worst.
func BenchmarkQueue(b *testing.B) {
	for _, waiting := range []int{1, 1024} {
		b.Run(fmt.Sprint(waiting), func(b *testing.B) {
			backends := limited(4)
			backends[3].Backup, backends[3].MaxConns = true, 0
			p := newPool(b, Options{Queue: waiting}, backends)
			leases := []Lease{pick(b, p), pick(b, p), pick(b, p)}
			wait := func() {
				if _, err := p.Wait(&Request{}, func(l Lease) { leases = append(leases, l) }); err != nil {
					b.Fatal(err)
				}
			}
			for range waiting {
				wait()
			}
			for b.Loop() {
				next := leases[0]
				leases = leases[1:]
				next.Done(Served)
				wait()
			}
		})
	}
}

// BenchmarkManyWeights makes a pool of ten thousand backends whose weights differ.
func BenchmarkManyWeights(b *testing.B) {
	all := make([]Config, 10_000)
	for i := range all {
		all[i] = configs(Weight(1 + i*7919%int(MaxWeight)))[0]
		all[i].Name = fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)
	}
	for b.Loop() {
		newPool(b, Options{Policy: Source}, all)
	}
}
