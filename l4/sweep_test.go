package l4

import (
	"testing"

	"forebay/pool"
)

// BenchmarkSweep is what looking at 9,000 sessions costs a loop, all slices together.
func BenchmarkSweep(b *testing.B) {
	p, err := pool.New(pool.Options{}, []pool.Config{backend(b, "127.0.0.1:1")})
	if err != nil {
		b.Fatal(err)
	}
	l := &loop{}
	for range 9000 {
		s := &session{stage: relaying}
		if s.lease, err = p.Pick(&pool.Request{}); err != nil {
			b.Fatal(err)
		}
		l.add(s)
	}
	of := p.Backends()[0]
	b.ReportAllocs()
	for b.Loop() {
		part := roll{leaving: map[*pool.Backend]int{}}
		for i := range l.slots {
			if s := l.slots[i].session; s.lease.Backend() == of {
				part.enter(s)
			}
		}
	}
}
