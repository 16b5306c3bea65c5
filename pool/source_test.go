package pool

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
)

// client returns one of many addresses.
func client(i int) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 10<<24+uint32(i))))
}

// homes returns the name of the backend that each of the first n clients belongs to.
func homes(t testing.TB, p *Pool, n int) []string {
	t.Helper()
	names := make([]string, n)
	for i := range names {
		l, err := p.Pick(&Request{Source: client(i)})
		if err != nil {
			t.Errorf("client %d: %v", i, err)
			break
		}
		names[i] = l.Backend().Name()
		l.Done(Served)
	}
	return names
}

func update(t testing.TB, p *Pool, backends []Config) {
	t.Helper()
	if err := p.Update(backends); err != nil {
		t.Fatal(err)
	}
}

func TestSourceIsFaithful(t *testing.T) {
	backends := configs(1, 2, 3, 1)
	first := homes(t, newPool(t, Options{Policy: Source}, backends), 1000)
	slices.Reverse(backends)
	if again := homes(t, newPool(t, Options{Policy: Source}, backends), 1000); !slices.Equal(first, again) {
		t.Error("another pool, with the same backends in another order, sends clients elsewhere")
	}
}

// These are pinned: another version of the program on the next machine must send the same clients to the same backends.
func TestSourceAgreesWithOtherMachines(t *testing.T) {
	var got string
	for _, name := range homes(t, newPool(t, Options{Policy: Source}, configs(1, 1, 2, 3)), 32) {
		got += name
	}
	if want := "daddcdcdadccddcacbcbddccbbcdadaa"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSourceSharesByWeight(t *testing.T) {
	for _, weights := range [][]Weight{{1, 1, 1, 1}, {1, 2, 3, 4}, {100, 1, 1}, {7, 7, 3, 3, 3, 1000}} {
		p := newPool(t, Options{Policy: Source}, configs(weights...))
		total, owned := 0, make([]int, len(weights))
		for i := range weights {
			total += int(weights[i])
		}
		for _, owner := range p.primary.ranking.(*source).table.owners {
			owned[owner]++
		}
		for i, w := range weights {
			wantNear(t, string(rune('a'+i)), owned[i], slots, float64(w)/float64(total))
		}
	}
}

func TestSourceMovesOnlyTheClientsOfARemovedBackend(t *testing.T) {
	for _, weights := range [][]Weight{make([]Weight, 10), {1, 2, 3, 4, 5, 5, 4, 3, 2, 1}} {
		all := configs(weights...)
		p := newPool(t, Options{Policy: Source}, all)
		before := homes(t, p, 3000)
		for gone := range all {
			update(t, p, slices.Delete(slices.Clone(all), gone, gone+1))
			moved := 0
			for i, now := range homes(t, p, 3000) {
				if (now != before[i]) != (before[i] == all[gone].Name) {
					t.Fatalf("without %s, client %d of %s is at %s", all[gone].Name, i, before[i], now)
				}
				if now != before[i] {
					moved++
				}
			}
			if moved == 0 {
				t.Errorf("%s had no clients", all[gone].Name)
			}
			update(t, p, all)
			if !slices.Equal(homes(t, p, 3000), before) {
				t.Fatalf("with %s back, not all clients are where they were", all[gone].Name)
			}
		}
	}
}

// However a table came about, it is the one that its members have.
func TestTableDoesNotDependOnItsPast(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	p := newPool(t, Options{Policy: Source}, nil)
	for range 20 {
		backends := configs(make([]Weight, 20)...)
		random.Shuffle(len(backends), func(i, j int) { backends[i], backends[j] = backends[j], backends[i] })
		backends = backends[:random.IntN(len(backends))]
		for i := range backends {
			backends[i].Weight = Weight(1 + random.IntN(3))
		}
		update(t, p, backends)
		got := p.primary.ranking.(*source).table
		want := newPool(t, Options{Policy: Source}, backends).primary.ranking.(*source).table
		if !slices.Equal(got.owners, want.owners) {
			t.Fatalf("the table of %d backends differs from one made afresh", len(backends))
		}
	}
}

func TestSourceIsFaithfulUnderConcurrency(t *testing.T) {
	p := newPool(t, Options{Policy: Source}, equal(8))
	want := homes(t, p, 500)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got := homes(t, p, 500); !slices.Equal(got, want) {
				t.Error("clients went elsewhere while others picked")
			}
		})
	}
	wg.Wait()
}

// A client whose backend fails goes on to another, always the same, and its fellows spread over all the others.
func TestSourceSpreadsTheClientsOfAFailedBackend(t *testing.T) {
	p := newPool(t, Options{Policy: Source}, equal(4))
	seconds := make(map[string]int)
	for i := range 4000 {
		first, _ := p.Pick(&Request{Source: client(i)})
		second, _ := p.Pick(&Request{Source: client(i), Tried: []*Backend{first.Backend()}})
		again, _ := p.Pick(&Request{Source: client(i), Tried: []*Backend{first.Backend()}})
		if second.Backend() != again.Backend() || second.Backend() == first.Backend() {
			t.Fatalf("client %d of %s: got %s, then %s", i, first.Backend(), second.Backend(), again.Backend())
		}
		if first.Backend().Name() == "a" {
			seconds[second.Backend().Name()]++
		}
	}
	n := seconds["b"] + seconds["c"] + seconds["d"]
	for _, name := range []string{"b", "c", "d"} {
		wantNear(t, name, seconds[name], n, 1./3)
	}
}

func TestSourceBoundsTheLoad(t *testing.T) {
	for _, test := range []struct {
		name     string
		factor   float64
		sessions int
		most     int // on the client's own backend
	}{
		{"a handful stay at home", 1.25, 64, 64},
		{"no bound", 0, 1000, 1000},
		{"1.25 of the fair share", 1.25, 1000, 313},
		{"the fair share", 1, 1000, 250},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPool(t, Options{Policy: Source, LoadFactor: test.factor}, equal(4))
			for range test.sessions {
				if _, err := p.Pick(&Request{Source: client(1)}); err != nil {
					t.Fatal(err)
				}
			}
			most := 0
			for _, b := range p.Snapshot().Backends {
				most = max(most, b.Active)
			}
			if most != test.most {
				t.Errorf("got %d of %d sessions on one backend, want %d", most, test.sessions, test.most)
			}
		})
	}
}

func TestSourceKnowsAMappedAddress(t *testing.T) {
	plain := netip.MustParseAddr("192.0.2.7")
	if addrKey(plain) != addrKey(netip.AddrFrom16(plain.As16())) {
		t.Error("192.0.2.7 and ::ffff:192.0.2.7 have different keys")
	}
}

func TestSourceWithoutAnAddress(t *testing.T) {
	p := newPool(t, Options{Policy: Source}, equal(4))
	open(t, p, 40)
	for _, b := range p.Snapshot().Backends {
		if b.Active != 10 {
			t.Errorf("%s: got %d sessions of clients without an address, want 10", b.Name, b.Active)
		}
	}
}

// The table of ten thousand backends is made with about as much work as that of ten: before a command line of that many
// is served, no second goes by.
func TestTableOfManyBackendsIsLittleWork(t *testing.T) {
	for _, n := range []int{1, 10, 10_000} {
		members := make([]member, n)
		for i := range members {
			weight := Weight(1 + i*7919%int(MaxWeight))
			members[i] = member{Backend: &Backend{name: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)}, config: Config{Weight: weight}}
		}
		r := newRace(members)
		for !r.over() {
			r.goOn()
		}
		visits := 0
		for _, e := range r.entrants {
			visits += e.steps
		}
		if most := 20 * slots; visits > most {
			t.Errorf("%d backends: %d visits to slots, want at most %d", n, visits, most)
		}
	}
}

// An entrant comes to every slot, and to none twice.
func TestOrderHasEachSlotOnce(t *testing.T) {
	for _, name := range []string{"", "a", "10.0.0.1:80", "unix:/run/app.sock"} {
		seen := make([]bool, slots)
		for step := range slots {
			slot := newOrder(name).slot(step)
			if seen[slot] {
				t.Fatalf("%q: slot %d comes twice", name, slot)
			}
			seen[slot] = true
		}
	}
}
