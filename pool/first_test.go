package pool

import "testing"

func TestFirstFillsInOrder(t *testing.T) {
	backends := equal(3)
	backends[0].MaxConns, backends[1].MaxConns = 2, 1
	p := newPool(t, Options{Policy: First}, backends)
	names, leases := open(t, p, 5)
	if want := "aabcc"; names != want {
		t.Fatalf("got %s, want %s", names, want)
	}
	leases[0].Done(Served)
	leases[2].Done(Served)
	if names, _ := open(t, p, 3); names != "abc" {
		t.Errorf("after a and b each lost a session: got %s, want abc", names)
	}
}

func TestFirstIsExactUnderConcurrency(t *testing.T) {
	backends := equal(3)
	backends[0].MaxConns, backends[1].MaxConns = 1000, 500
	p := newPool(t, Options{Policy: First}, backends)
	holdMany(t, p, 8, 200)
	for i, want := range []int{1000, 500, 100} {
		if got := p.Snapshot().Backends[i].Active; got != want {
			t.Errorf("backend %d: got %d sessions, want %d", i, got, want)
		}
	}
}

func TestFirstFollowsANewOrder(t *testing.T) {
	backends := equal(2)
	p := newPool(t, Options{Policy: First}, backends)
	backends[0], backends[1] = backends[1], backends[0]
	if err := p.Update(backends); err != nil {
		t.Fatal(err)
	}
	if got := picks(t, p, 3); got != "bbb" {
		t.Errorf("got %s, want bbb", got)
	}
}
