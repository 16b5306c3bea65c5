package pool

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// open picks n sessions that stay, and returns the names of their backends and the leases.
func open(t testing.TB, p *Pool, n int) (names string, leases []Lease) {
	t.Helper()
	for range n {
		l := pick(t, p)
		names += l.Backend().Name()
		leases = append(leases, l)
	}
	return names, leases
}

// holdMany picks n sessions in each of the goroutines, and keeps them all.
func holdMany(t testing.TB, p *Pool, goroutines, n int) {
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range n {
				if _, err := p.Pick(&Request{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestLeastConnTiesTakeTurns(t *testing.T) {
	for _, test := range []struct {
		weights []Weight
		want    string
	}{
		{[]Weight{1, 1, 1, 1}, "abcdabcd"},
		{[]Weight{3, 1}, "aabaaaba"},
	} {
		if got := picks(t, newPool(t, Options{Policy: LeastConn}, configs(test.weights...)), 8); got != test.want {
			t.Errorf("weights %v: got %s, want %s", test.weights, got, test.want)
		}
	}
}

func TestLeastConnFillsByWeight(t *testing.T) {
	p := newPool(t, Options{Policy: LeastConn}, configs(5, 3, 1))
	open(t, p, 900)
	for i, want := range []int{500, 300, 100} {
		if got := p.Snapshot().Backends[i].Active; got != want {
			t.Errorf("backend %d: got %d sessions, want %d", i, got, want)
		}
	}
}

// Whatever comes and goes, the backend that is picked never has more sessions for its weight than another.
func TestLeastConnPicksTheLeast(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	p := newPool(t, Options{Policy: LeastConn}, configs(1, 2, 3, 4, 5))
	var held []Lease
	for range 5000 {
		if len(held) > 0 && random.IntN(100) < 48 {
			i := random.IntN(len(held))
			held[i].Done(Served)
			held = append(held[:i], held[i+1:]...)
			continue
		}
		before := p.Snapshot().Backends
		l := pick(t, p)
		held = append(held, l)
		got := before[l.Backend().index]
		for _, b := range before {
			if b.Active*int(got.Weight) < got.Active*int(b.Weight) {
				t.Fatalf("picked %s with %d sessions for weight %d; %s has %d for %d", got.Name, got.Active, got.Weight, b.Name, b.Active, b.Weight)
			}
		}
	}
}

func TestLeastConnStaysEvenUnderConcurrency(t *testing.T) {
	p := newPool(t, Options{Policy: LeastConn}, equal(4))
	holdMany(t, p, 8, 1000)
	for _, b := range p.Snapshot().Backends {
		if b.Active != 2000 {
			t.Errorf("%s: got %d sessions, want 2000", b.Name, b.Active)
		}
	}
}
