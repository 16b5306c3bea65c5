package pool

import (
	"math"
	"math/rand/v2"
	"testing"
)

// seeded returns a pool whose random policy draws the same numbers in each run.
func seeded(t testing.TB, backends []Config) *Pool {
	p := newPool(t, Options{Policy: Random}, backends)
	p.primary.ranking.(*random).draw = rand.New(rand.NewPCG(5, 6)).IntN
	return p
}

// wantNear fails the test unless got is within five standard deviations of the mean of n draws of the given chance.
func wantNear(t testing.TB, name string, got, n int, chance float64) {
	t.Helper()
	mean, deviation := float64(n)*chance, math.Sqrt(float64(n)*chance*(1-chance))
	if math.Abs(float64(got)-mean) > 5*deviation {
		t.Errorf("%s: got %d of %d, want %.0f ± %.0f", name, got, n, mean, 5*deviation)
	}
}

func TestRandomSharesAnIdlePoolByWeight(t *testing.T) {
	const n = 20000
	names := picks(t, seeded(t, configs(1, 2, 3, 4)), n)
	for i, got := range count(names, 4) {
		wantNear(t, string(rune('a'+i)), got, n, float64(i+1)/10)
	}
}

func TestRandomSharesUnderConcurrency(t *testing.T) {
	p := newPool(t, Options{Policy: Random}, configs(1, 3))
	holdMany(t, p, 8, 500)
	for i, want := range []int{1000, 3000} { // with two backends, always the lighter
		if got := p.Snapshot().Backends[i].Active; got < want-3 || got > want+3 {
			t.Errorf("backend %d: got %d sessions, want %d ± 3", i, got, want)
		}
	}
}

// With two choices the fullest of n backends stays within log log n of the mean; with one it would be some 30 over it
// here.
func TestRandomKeepsTheFullestNearTheMean(t *testing.T) {
	p := seeded(t, equal(100))
	for range 10000 {
		pick(t, p)
	}
	for _, b := range p.Snapshot().Backends {
		if b.Active > 106 {
			t.Errorf("%s: got %d sessions, want about 100", b.Name, b.Active)
		}
	}
}

func TestRandomDrawsNoneTwice(t *testing.T) {
	p := seeded(t, equal(2))
	busy := pick(t, p).Backend()
	for range 100 {
		l := pick(t, p)
		if l.Backend() == busy {
			t.Fatalf("picked %s, which has a session, though the other is idle", busy)
		}
		l.Done(Served)
	}
}

func TestRandomPutsTriedBackendsBack(t *testing.T) {
	p := seeded(t, equal(3))
	a := pick(t, p).Backend()
	for range 50 {
		if got := pick(t, p, a, a).Backend(); got == a {
			t.Fatalf("picked %s, which was tried", a)
		}
	}
	if tree := p.primary.ranking.(*random).weights; tree.total != 3*rampSteps {
		t.Errorf("the weights add up to %d afterwards, want 3 shares", tree.total)
	}
}

func TestWeightTreeFindsEveryPoint(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{1, 2, 3, 7, 8, 9, 100} {
		tree := newWeightTree(n)
		for range 3 * n {
			tree.set(random.IntN(n), random.IntN(4))
		}
		point := 0
		for i, w := range tree.weights {
			for range w {
				if got := tree.find(point); got != i {
					t.Fatalf("%d weights: point %d is in %d, want %d", n, point, got, i)
				}
				point++
			}
		}
		if point != tree.total {
			t.Errorf("%d weights: total %d, want %d", n, tree.total, point)
		}
	}
}
