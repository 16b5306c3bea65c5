package pool

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestUpdateKeepsCounters(t *testing.T) {
	p := newPool(t, Options{}, equal(2))
	lease := pick(t, p)
	picks(t, p, 9)
	backends := configs(5, 5, 5)
	backends[0].MaxConns = 50
	update(t, p, backends)
	a := p.Snapshot().Backends[0]
	if a.Active != 1 || a.Picks != 5 || a.Outcomes[Served] != 4 || a.Weight != 5 || a.MaxConns != 50 {
		t.Errorf("got %+v, want 1 session, 5 picks, 4 served, and the new weight and limit", a)
	}
	if got := named(p, "a")[0]; got != lease.Backend() {
		t.Error("the same name and addresses are another backend after an Update")
	}
}

func TestResumeIsAChange(t *testing.T) {
	p := newPool(t, Options{}, equal(2))
	b := p.Backends()[0]
	for _, act := range []struct {
		name    string
		do      func()
		changes bool
	}{{"drain", b.Drain, false}, {"resume", b.Resume, true}, {"resume again", b.Resume, false}} {
		changed := p.Changed()
		act.do()
		select {
		case <-changed:
			if !act.changes {
				t.Errorf("%s: told as a change", act.name)
			}
		default:
			if act.changes {
				t.Errorf("%s: not told", act.name)
			}
		}
	}
}

func TestRemovedBackendDrains(t *testing.T) {
	for _, policy := range Policies() {
		p := newPool(t, Options{Policy: policy}, equal(2))
		_, leases := open(t, p, 2)
		if leases[0].Backend() == leases[1].Backend() {
			leases[1] = pick(t, p, leases[0].Backend())
		}
		gone := leases[0]
		update(t, p, slices.DeleteFunc(equal(2), func(c Config) bool { return c.Name == gone.Backend().Name() }))
		if strings.Contains(picks(t, p, 10), gone.Backend().Name()) {
			t.Errorf("%v: a removed backend was picked", policy)
		}
		if b := p.Snapshot().Backends; len(b) != 2 || b[0].Removed || !b[1].Removed || b[1].Active == 0 {
			t.Errorf("%v: got %+v, want the removed one last, draining", policy, b)
		}
		for b := gone.Backend(); b.sessions() > 0; {
			l := gone
			l.Done(Served)
		}
		if b := p.Snapshot().Backends; len(b) != 1 || b[0].Removed {
			t.Errorf("%v: got %+v, want the removed one forgotten", policy, b)
		}
	}
}

// A backend that is configured again before its last session ends goes on as the same one.
func TestDrainingBackendComesBack(t *testing.T) {
	p := newPool(t, Options{}, equal(2))
	a := pick(t, p)
	update(t, p, equal(2)[1:])
	update(t, p, equal(2))
	if got := p.Snapshot().Backends[0]; got.Name != "a" || got.Removed || got.Active != 1 || got.Picks != 1 {
		t.Errorf("got %+v, want a with its session", got)
	}
	a.Done(Served)
	if got := p.Snapshot().Backends; len(got) != 2 || got[0].Active != 0 {
		t.Errorf("after its session ended: got %+v, want two idle backends", got)
	}
}

// At another address the same name is another backend, and the two do not share counters.
func TestMovedBackendIsNew(t *testing.T) {
	p := newPool(t, Options{}, equal(1))
	old := pick(t, p)
	moved := equal(1)
	moved[0].Addrs = []Address{address(9)}
	update(t, p, moved)
	if b := pick(t, p).Backend(); b == old.Backend() || b.Addrs()[0] != address(9) {
		t.Errorf("got the old one")
	}
	old.Done(Served)
	if s := p.Snapshot().Backends; len(s) != 1 || s[0].Active != 1 {
		t.Errorf("got %+v, want the new one alone with one session", s)
	}
}

// An Update that changes something else does not disturb the order.
func TestUpdateKeepsRoundRobinsPlace(t *testing.T) {
	p := newPool(t, Options{}, configs(3, 1))
	var got string
	for range 8 {
		got += picks(t, p, 1)
		update(t, p, append(configs(3, 1), Config{Name: fmt.Sprint("spare", len(got)), Addrs: []Address{address(1)}, Backup: true}))
	}
	if want := "aabaaaba"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUpdateWithoutChangeDisturbsNothing(t *testing.T) {
	p := newPool(t, Options{}, equal(2))
	drains := pick(t, p)
	update(t, p, equal(2)[1:])
	before := p.members.Load()
	update(t, p, equal(2)[1:])
	if p.members.Load() != before {
		t.Error("the same configuration was put in place again")
	}
	drains.Done(Served)
}

// A backend that was full for a while comes back with its share, without what it missed.
func TestRoundRobinGivesNoCredit(t *testing.T) {
	backends := equal(3)
	backends[0].MaxConns = 1
	p := newPool(t, Options{}, backends)
	a := pick(t, p)
	if got := picks(t, p, 10); got != "bcbcbcbcbc" {
		t.Fatalf("while a is full: got %s", got)
	}
	a.Done(Served)
	got := count(picks(t, p, 9), 3)
	if !slices.Equal(got, []int{3, 3, 3}) {
		t.Errorf("with a back: got %v, want 3 each", got)
	}
	update(t, p, append(backends, configs(1, 1, 1, 7)[3]))
	if got := count(picks(t, p, 10), 4); !slices.Equal(got, []int{1, 1, 1, 7}) {
		t.Errorf("with a new one of weight 7: got %v, want its share", got)
	}
}

func TestFaultyConfigurationChangesNothing(t *testing.T) {
	p := newPool(t, Options{}, equal(2))
	bad := []Config{
		{Name: "a", Addrs: []Address{address(1)}, Weight: 1001},
		{Name: "", Addrs: []Address{address(1)}},
		{Name: "c"},
		{Name: "d", Addrs: []Address{{}}},
		{Name: "e", Addrs: []Address{address(1)}, MaxConns: -1},
		{Name: "e", Addrs: []Address{address(2)}},
	}
	err := p.Update(bad)
	if err == nil {
		t.Fatal("got no error")
	}
	want := `backend a: a weight of 1001: 1 to 1000 is right
backend number 2: it has no name
backend c: it has no address
backend d: one of its addresses is empty
backend e: a limit of -1 sessions: 0 (none) or more is right
two backends are named e: a name stands for one`
	if err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	if got := picks(t, p, 2); got != "ab" {
		t.Errorf("afterwards: got %s, want ab", got)
	}
}

func TestFaultyOptions(t *testing.T) {
	_, err := New(Options{Policy: 77, Queue: -1, LoadFactor: math.NaN()}, nil)
	want := `policy(77) is no policy
a queue of -1: 0 (none) or more is right
a load factor of NaN leaves sessions without a place: 1 or more is right, or 0 for no bound`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

// Sessions, updates and readers at once: every session ends where it began.
func TestUpdateUnderConcurrency(t *testing.T) {
	for _, policy := range Policies() {
		p := newPool(t, Options{Policy: policy, Queue: 10}, equal(4))
		var wg sync.WaitGroup
		wg.Go(func() { hammer(t, p, 3, 300) })
		wg.Go(func() {
			for i := range 20 {
				update(t, p, equal(8)[i%4:4+i%5])
			}
		})
		wg.Go(func() {
			for range 100 {
				p.Snapshot()
			}
		})
		wg.Wait()
		update(t, p, equal(8))
		for _, b := range p.Snapshot().Backends {
			if b.Active != 0 || b.Removed {
				t.Errorf("%v: %s has %d sessions, draining %v, after all have ended", policy, b.Name, b.Active, b.Removed)
			}
		}
	}
}
