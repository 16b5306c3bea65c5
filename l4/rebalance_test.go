package l4

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"forebay/pool"
)

// TestLoads has a backend in each state.
func TestLoads(t *testing.T) {
	var configs []pool.Config
	for i := range 5 {
		configs = append(configs, backend(t, fmt.Sprintf("127.0.0.1:%d", i+1)))
	}
	configs[1].Weight, configs[4].Backup = 3, true
	p, err := pool.New(pool.Options{}, configs)
	if err != nil {
		t.Fatal(err)
	}
	all := p.Backends()
	all[2].Judge(pool.Down, pool.Evidence{Witness: pool.Check})
	all[3].Drain()
	shares := func() map[string]float64 {
		found := map[string]float64{}
		loads := loadsOf(p)
		weigh(loads, 1.5, total(loads))
		for _, l := range loads {
			found[l.Backend.Name()] = l.Share
		}
		return found
	}
	if got, want := fmt.Sprint(shares()), "map[127.0.0.1:1:0.25 127.0.0.1:2:0.75 127.0.0.1:5:0]"; got != want {
		t.Errorf("shares %v, want %v", got, want)
	}
	all[0].Drain()
	all[1].Drain()
	if got, want := fmt.Sprint(shares()), "map[127.0.0.1:5:1]"; got != want {
		t.Errorf("shares with the backup alone %v, want %v", got, want)
	}
}

// TestShares has max-conns keep some from their part: the others have more then, and backups what is too much for all.
func TestShares(t *testing.T) {
	const none = 0
	for _, test := range []struct {
		name     string
		sessions float64
		loads    []Load
		want     []float64
	}{
		{"by weight", 100, []Load{{weight: 3}, {weight: 1}}, []float64{0.75, 0.25}},
		{"room for all", 100, []Load{{weight: 1, most: 50}, {weight: 1, most: 60}}, []float64{0.5, 0.5}},
		{"one is full", 100, []Load{{weight: 2, most: 10}, {weight: 1}, {weight: 1}}, []float64{0.1, 0.45, 0.45}},
		{"one is full because another is", 100, []Load{{weight: 1, most: 35}, {weight: 1, most: 10}, {weight: 1}}, []float64{0.35, 0.1, 0.55}},
		{"a backup is not needed", 100, []Load{{weight: 1, most: 100}, {weight: 9, backup: true}}, []float64{1, 0}},
		{"a backup has the rest", 100, []Load{{weight: 1, most: 50}, {weight: 1, most: 30}, {weight: 1, backup: true}}, []float64{0.5, 0.3, 0.2}},
		{"backups alone", 100, []Load{{weight: 1, backup: true}, {weight: 3, backup: true}}, []float64{0.25, 0.75}},
		{"all are full", 100, []Load{{weight: 1, most: 50}, {weight: 1, most: 30}}, []float64{0.5, 0.3}},
		{"no sessions", none, []Load{{weight: 1, most: 1}, {weight: 1}}, []float64{0.5, 0.5}},
	} {
		share(test.loads, test.sessions)
		for i, l := range test.loads {
			if math.Abs(l.Share-test.want[i]) > noise {
				t.Errorf("%s: backend %d has a share of %v, want %v", test.name, i, l.Share, test.want[i])
			}
		}
	}
}

func TestSurplus(t *testing.T) {
	for _, test := range []struct {
		name     string
		factor   float64
		sessions []int
		weights  []float64
		want     []int
	}{
		{"even", 1.5, []int{10, 10, 10}, []float64{1, 1, 1}, []int{0, 0, 0}},
		{"one has joined", 1.5, []int{30, 30, 0}, []float64{1, 1, 1}, []int{10, 10, 0}},
		{"one of two has joined", 1.5, []int{60, 0}, []float64{1, 1}, []int{30, 0}},
		{"just at the factor", 1.5, []int{30, 20}, []float64{1, 1}, []int{0, 0}},
		{"just over it", 1.5, []int{31, 20}, []float64{1, 1}, []int{5, 0}},
		{"all that have more shed when one has too much", 1.5, []int{100, 70, 10}, []float64{1, 1, 1}, []int{40, 10, 0}},
		{"shares are rounded up", 1.5, []int{5, 0}, []float64{1, 1}, []int{2, 0}},
		{"by weight", 1.5, []int{60, 20}, []float64{3, 1}, []int{0, 0}},
		{"over it by weight", 1.5, []int{40, 40}, []float64{3, 1}, []int{0, 20}},
		{"one that begins to start slowly", 1.5, []int{64, 0}, []float64{1, 1. / 32}, []int{1, 0}},
		{"one that starts slowly", 1.5, []int{64, 2}, []float64{1, 1. / 32}, []int{0, 0}},
		{"a backup that is not needed", 1.5, []int{10, 10, 3}, []float64{1, 1, 0}, []int{0, 0, 3}},
		{"no sessions", 1.5, []int{0, 0}, []float64{1, 1}, []int{0, 0}},
		{"nobody", 1.5, nil, nil, nil},
	} {
		loads := loadsWith(test.sessions, test.weights)
		weigh(loads, test.factor, total(loads))
		var got []int
		for _, l := range loads {
			got = append(got, l.Surplus)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v by %v: surplus %v, want %v", test.name, test.sessions, test.weights, got, test.want)
		}
	}
}

func loadsWith(sessions []int, weights []float64) []Load {
	var loads []Load
	for i := range sessions {
		loads = append(loads, Load{Sessions: sessions[i], weight: weights[i], quiet: sessions[i]})
	}
	return loads
}

func TestShed(t *testing.T) {
	for _, test := range []struct {
		name     string
		sessions []int
		weights  []float64
		n        int
		want     []int
	}{
		{"from the fullest", []int{100, 70, 10}, []float64{1, 1, 1}, 10, []int{10, 0, 0}},
		{"from the next when they are even", []int{100, 70, 10}, []float64{1, 1, 1}, 40, []int{35, 5, 0}},
		{"never below the mean", []int{60, 0}, []float64{1, 1}, 100, []int{30, 0}},
		{"never below the share", []int{40, 40}, []float64{3, 1}, 100, []int{0, 20}},
		{"from backups first", []int{10, 10, 3}, []float64{1, 1, 0}, 2, []int{0, 0, 2}},
		{"nothing", []int{10, 10}, []float64{1, 1}, 5, []int{0, 0}},
	} {
		loads := loadsWith(test.sessions, test.weights)
		sum := total(loads)
		weigh(loads, 1.5, sum)
		if got := shed(loads, test.n, sum); !slices.Equal(got, test.want) {
			t.Errorf("%s: %d of %v: got %v, want %v", test.name, test.n, test.sessions, got, test.want)
		}
	}
}

func TestAllowanceIsTheRateInAnySecond(t *testing.T) {
	for _, rate := range []int{1, 2, 3, 5, 7, 10, 99, 1000} {
		for first := range 20 {
			sum := 0
			for look := first; look < first+5; look++ {
				sum += allowance(rate, look)
			}
			if sum != rate {
				t.Errorf("rate %d: %d in the five looks from %d on", rate, sum, first)
			}
		}
	}
}

func TestRebalanceIsWritten(t *testing.T) {
	for text, want := range map[string]Rebalance{
		"off":                           {},
		"factor=2,rate=25":              {Factor: 2, Rate: 25},
		"factor=1.25,rate=1000,dry-run": {Factor: 1.25, Rate: 1000, DryRun: true},
	} {
		var r Rebalance
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want || r.String() != text {
			t.Errorf("%s is read as %+v and written as %v (%v)", text, r, r, err)
		}
	}
	var r Rebalance
	if err := r.UnmarshalText([]byte("dry-run")); err != nil || r != (Rebalance{1.5, 10, true}) {
		t.Errorf("dry-run alone is read as %+v (%v)", r, err)
	}
	for text, want := range map[string]string{
		"factor=1": "no factor", "factor=NaN": "no factor", "rate=0": "no rate", "rate=1001": "no rate", "rate=fast": "no rate",
		"speed=1": "says nothing", "": "says nothing",
	} {
		if err := r.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || r != (Rebalance{}) {
			t.Errorf("%q: got %v and %v, want an error with %q", text, err, r, want)
		}
	}
}
