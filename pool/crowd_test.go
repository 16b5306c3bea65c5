package pool

import "testing"

func TestCrowdedBackendIsSpared(t *testing.T) {
	p := newPool(t, Options{}, equal(2))
	a, b := p.Backends()[0], p.Backends()[1]
	why := Evidence{Witness: Listener, Reason: "3 clients wait"}
	if !a.Crowd(true, why) || a.State() != Ejected {
		t.Fatalf("a is %v, want ejected", a.State())
	}
	for range 4 {
		l, err := p.Pick(&Request{})
		if err != nil || l.Backend() != b {
			t.Fatalf("picked %v and %v, want b", l.Backend(), err)
		}
		l.Done(Served)
	}
	if b.Crowd(true, why) || b.State() != Up {
		t.Errorf("b is %v, want it up: it is the last", b.State())
	}
	if h := a.History(); len(h) != 1 || h[0].Witness != Listener {
		t.Errorf("history %+v", h)
	}
	b.Judge(Down, Evidence{Witness: Check})
	if l, err := p.Pick(&Request{}); err != nil || l.Backend() != a {
		t.Errorf("picked %v and %v, want a: no other is up", l.Backend(), err)
	}
	if a.Crowd(false, why) || a.State() != Up {
		t.Errorf("a is %v, want up", a.State())
	}
}

func TestCrowdedBackendMayDrain(t *testing.T) {
	p := newPool(t, Options{}, equal(2))
	a := p.Backends()[0]
	a.Crowd(true, Evidence{Witness: Listener})
	a.Drain()
	a.Resume()
	if a.State() != Ejected {
		t.Errorf("a is %v, want ejected as before", a.State())
	}
}
