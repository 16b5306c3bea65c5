package pool

import (
	"math/rand/v2"
	"sync"
	"testing"
)

func TestRoundRobinIsSmooth(t *testing.T) {
	for _, test := range []struct {
		weights []Weight
		want    string
	}{
		{[]Weight{1}, "aaaa"},
		{[]Weight{1, 1, 1, 1}, "abcdabcd"},
		{[]Weight{3, 1}, "aabaaaba"},
		{[]Weight{5, 1, 1}, "aaabcaaaaabcaa"},
	} {
		if got := picks(t, newPool(t, Options{}, configs(test.weights...)), len(test.want)); got != test.want {
			t.Errorf("weights %v: got %s, want %s", test.weights, got, test.want)
		}
	}
}

// Every window as long as the weights together gives each backend exactly its weight.
func TestRoundRobinIsExactInEveryWindow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		weights, total := make([]Weight, 1+random.IntN(8)), 0
		for i := range weights {
			weights[i] = Weight(1 + random.IntN(20))
			total += int(weights[i])
		}
		names := picks(t, newPool(t, Options{}, configs(weights...)), 3*total)
		for start := range 2 * total {
			for i, n := range count(names[start:start+total], len(weights)) {
				if n != int(weights[i]) {
					t.Fatalf("weights %v, picks %d to %d: backend %d got %d", weights, start, start+total, i, n)
				}
			}
		}
	}
}

// count returns how often each of the first letters of the alphabet is in names.
func count(names string, letters int) []int {
	counts := make([]int, letters)
	for _, c := range names {
		counts[c-'a']++
	}
	return counts
}

// hammer picks and ends n sessions in each of the goroutines.
func hammer(t testing.TB, p *Pool, goroutines, n int) {
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range n {
				l, err := p.Pick(&Request{})
				if err != nil {
					t.Error(err)
					return
				}
				l.Done(Served)
			}
		})
	}
	wg.Wait()
}

func TestRoundRobinIsExactUnderConcurrency(t *testing.T) {
	p := newPool(t, Options{}, configs(3, 1, 4))
	hammer(t, p, 8, 1000)
	for i, want := range []uint64{3000, 1000, 4000} {
		if got := p.Snapshot().Backends[i].Picks; got != want {
			t.Errorf("backend %d: got %d picks, want %d", i, got, want)
		}
	}
}
