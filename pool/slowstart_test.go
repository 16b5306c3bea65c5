package pool

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"forebay/l4/l4test"
)

// slowly returns a pool of n backends with a slow start of 32 s, so that each second is a step, whose backend a has
// just come back.
func slowly(t testing.TB, policy Policy, n int) *Pool {
	p := newPool(t, Options{Policy: policy, SlowStart: rampSteps * time.Second}, equal(n))
	a := backend(t, p, "a")
	a.Judge(Down, byCheck("refused"))
	if policy == LeastConn || policy == LeastTime {
		for range 320 * (n - 1) {
			l := pick(t, p)
			l.Connected(time.Millisecond)
		}
		a.connect.add(time.Millisecond)
	}
	a.Judge(Up, byCheck("connected"))
	return p
}

// pass lets d go by, and what is due in it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestSlowStartSharesAnIdlePool(t *testing.T) {
	for _, policy := range []Policy{RoundRobin, LeastConn, Random} {
		t.Run(policy.String(), func(t *testing.T) {
			l4test.Bubble(t, func(t *testing.T) {
				p := newPool(t, Options{Policy: policy, SlowStart: rampSteps * time.Second}, equal(4))
				backend(t, p, "a").Judge(Down, byCheck("refused"))
				picks(t, p, 10)
				backend(t, p, "a").Judge(Up, byCheck("connected"))
				for step := 1; step <= rampSteps; step++ {
					const n = 10000
					share := float64(step) / rampSteps
					got := count(picks(t, p, n), 4)[0]
					wantNear(t, "a", got, n, share/(3+share))
					pass(time.Second)
				}
				if got := p.Snapshot().Backends[0].Share; got != 1 {
					t.Errorf("afterwards: got a share of %v, want 1", got)
				}
			})
		})
	}
}

// By sessions that stay, a fresh backend is given what its share is of the others' load, not all until it is level.
func TestSlowStartFillsByShare(t *testing.T) {
	for _, policy := range []Policy{LeastConn, LeastTime} {
		t.Run(policy.String(), func(t *testing.T) {
			l4test.Bubble(t, func(t *testing.T) {
				p := slowly(t, policy, 3)
				a := backend(t, p, "a")
				for step := 1; step < rampSteps; step++ {
					open(t, p, 100)
					others := (p.primary.active - a.sessions()) / 2
					want := others * step / rampSteps
					if got := a.sessions(); got < want-8 || got > want+8 {
						t.Errorf("step %d: a has %d sessions, want %d: its share of the %d that the others have", step, got, want, others)
					}
					pass(time.Second)
				}
			})
		})
	}
}

// A client of the source policy comes back once, and stays.
func TestSlowStartReturnsClientsOneByOne(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := newPool(t, Options{Policy: Source, SlowStart: rampSteps * time.Second}, equal(4))
		owner := func(i int) string {
			l, err := p.Pick(&Request{Source: client(i)})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Done(Served)
			return l.Backend().Name()
		}
		const n = 2000
		var mine []int // clients of a
		for i := range n {
			if owner(i) == "a" {
				mine = append(mine, i)
			}
		}
		backend(t, p, "a").Judge(Down, byCheck("refused"))
		backend(t, p, "a").Judge(Up, byCheck("connected"))
		returned := make(map[int]bool)
		for step := 1; step <= rampSteps; step++ {
			for _, i := range mine {
				switch back := owner(i) == "a"; {
				case returned[i] && !back:
					t.Fatalf("step %d: client %d went away again", step, i)
				case back:
					returned[i] = true
				}
			}
			wantNear(t, "returned", len(returned), len(mine), min(float64(step)/rampSteps, 0.9999))
			pass(time.Second)
		}
		if len(returned) != len(mine) {
			t.Errorf("%d of %d clients have come back", len(returned), len(mine))
		}
	})
}

func TestSlowStartOfTheFirst(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := slowly(t, First, 2)
		for step := 1; step <= rampSteps; step++ {
			if got := count(picks(t, p, rampSteps), 2)[0]; got != step {
				t.Errorf("step %d: a got %d of %d sessions, want %d", step, got, rampSteps, step)
			}
			pass(time.Second)
		}
		if got := picks(t, slowly(t, First, 1), 3); got != "aaa" {
			t.Errorf("alone: got %s, want aaa", got)
		}
	})
}

// Neither are turns far ahead put off again at each step, nor is the first one given away.
func TestSlowStartKeepsTurns(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := slowly(t, RoundRobin, 4)
		names := ""
		for range rampSteps {
			names += picks(t, p, 3)
			pass(time.Second)
		}
		if got := count(names, 4)[0]; got < 12 || got > 16 { // the sum of its shares is 16
			t.Errorf("got %d of %s", got, names)
		}
		if got := count(names[:12], 4)[0]; got != 0 {
			t.Errorf("got %d at once: %s", got, names)
		}
		if got := count(names[:3*rampSteps/2], 4)[0]; got < 3 || got > 5 { // here it is 4.1
			t.Errorf("got %d in the first half of %s", got, names)
		}
	})
}

// With little traffic a backend's turn does not lie in the far future for long.
func TestSlowStartWithLittleTraffic(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := slowly(t, RoundRobin, 4)
		names := ""
		for range 40 {
			names += picks(t, p, 1)
			pass(2 * time.Second)
		}
		if got := count(names[20:], 4); !slices.Equal(got, []int{5, 5, 5, 5}) {
			t.Errorf("one session each 2 s: got %s, then %s, want even turns from the 20th on", names[:20], names[20:])
		}
	})
}

func TestWhoStartsSlowly(t *testing.T) {
	o := Options{SlowStart: 10 * time.Second, Ejection: Ejection{After: 5}}
	for _, test := range []struct {
		name    string
		options func(*Options)
		happens func(t *testing.T, p *Pool)
		share   float64 // of a afterwards
	}{
		{"at boot", nil, func(*testing.T, *Pool) {}, 1},
		{"found up at boot", func(o *Options) { o.Initial = Down },
			func(t *testing.T, p *Pool) { backend(t, p, "a").Judge(Up, byCheck("")) }, 1},
		{"found up at boot, where those that are down are refused", func(o *Options) { o.Initial, o.WhenAllDown = Down, RefuseDown },
			func(t *testing.T, p *Pool) { backend(t, p, "a").Judge(Up, byCheck("")) }, 1},
		{"found up after it was found down", func(o *Options) { o.Initial = Down }, func(t *testing.T, p *Pool) {
			backend(t, p, "b").Judge(Up, byCheck(""))
			backend(t, p, "a").Judge(Down, byCheck(""))
			pass(10 * time.Second)
			backend(t, p, "a").Judge(Up, byCheck(""))
		}, 1.0 / 32},
		{"the same, while the first was up for less than a slow start", func(o *Options) { o.Initial = Down }, func(t *testing.T, p *Pool) {
			backend(t, p, "b").Judge(Up, byCheck(""))
			backend(t, p, "a").Judge(Down, byCheck(""))
			pass(10*time.Second - 1)
			backend(t, p, "a").Judge(Up, byCheck(""))
		}, 1},
		{"second where all were down", nil, func(t *testing.T, p *Pool) {
			for _, b := range p.Backends() {
				b.Judge(Down, byCheck(""))
			}
			backend(t, p, "b").Judge(Up, byCheck(""))
			pass(time.Second)
			backend(t, p, "a").Judge(Up, byCheck(""))
		}, 1},
		{"second where all were down, and long after the first", nil, func(t *testing.T, p *Pool) {
			for _, b := range p.Backends() {
				b.Judge(Down, byCheck(""))
			}
			backend(t, p, "b").Judge(Up, byCheck(""))
			pass(10 * time.Second)
			backend(t, p, "a").Judge(Up, byCheck(""))
		}, 1.0 / 32},
		{"recovered", nil, func(t *testing.T, p *Pool) {
			backend(t, p, "a").Judge(Down, byCheck(""))
			backend(t, p, "a").Judge(Up, byCheck(""))
		}, 1.0 / 32},
		{"ejected and readmitted", nil, func(t *testing.T, p *Pool) {
			fail(backend(t, p, "a"), 5, Refused)
			pass(10 * time.Second)
			l := pick(t, p)
			l.Connected(1)
		}, 1.0 / 32},
		{"joined later", nil, func(t *testing.T, p *Pool) {
			update(t, p, equal(3)[1:])
			update(t, p, equal(3))
		}, 1.0 / 32},
		{"joined later, down at first", func(o *Options) { o.Initial = Down }, func(t *testing.T, p *Pool) {
			for _, b := range p.Backends() {
				b.Judge(Up, byCheck(""))
			}
			pass(10 * time.Second)
			update(t, p, equal(3)[1:])
			update(t, p, equal(3))
			backend(t, p, "a").Judge(Up, byCheck(""))
		}, 1.0 / 32},
		{"was removed and came back while it drained", nil, func(t *testing.T, p *Pool) {
			pick(t, p)
			update(t, p, equal(3)[1:])
			update(t, p, equal(3))
		}, 1.0 / 32},
		{"another weight", nil, func(t *testing.T, p *Pool) { update(t, p, configs(7, 1, 1)) }, 1},
		{"an update meanwhile", nil, func(t *testing.T, p *Pool) {
			backend(t, p, "a").Judge(Down, byCheck(""))
			backend(t, p, "a").Judge(Up, byCheck(""))
			pass(5 * time.Second)
			update(t, p, configs(7, 1, 1))
		}, 17.0 / 32},
		{"resumed", nil, func(t *testing.T, p *Pool) {
			backend(t, p, "a").Drain()
			backend(t, p, "a").Resume()
		}, 1.0 / 32},
		{"resumed while down", nil, func(t *testing.T, p *Pool) {
			backend(t, p, "a").Judge(Down, byCheck(""))
			backend(t, p, "a").Drain()
			backend(t, p, "a").Resume()
		}, 1},
		{"served while all were down", nil, func(t *testing.T, p *Pool) {
			for _, b := range p.Backends() {
				b.Judge(Down, byCheck(""))
			}
			backend(t, p, "a").Judge(Up, byCheck(""))
		}, 1},
		{"fell again", nil, func(t *testing.T, p *Pool) {
			for range 2 {
				backend(t, p, "a").Judge(Down, byCheck(""))
				backend(t, p, "a").Judge(Up, byCheck(""))
				pass(9 * time.Second)
			}
			backend(t, p, "a").Judge(Down, byCheck(""))
		}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			l4test.Bubble(t, func(t *testing.T) {
				o := o
				if test.options != nil {
					test.options(&o)
				}
				p := ejecting(t, o, equal(3))
				test.happens(t, p)
				if got := p.Snapshot().Backends[0].Share; got != test.share {
					t.Errorf("got a share of %v, want %v", got, test.share)
				}
			})
		})
	}
}

// The share grows by a 32nd each 32nd of the time, to the nanosecond.
func TestSlowStartIsExact(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := slowly(t, RoundRobin, 2)
		share := func() float64 { return p.Snapshot().Backends[0].Share }
		for step := 1; step < rampSteps; step++ {
			pass(time.Second - 1)
			if got := share(); got != float64(step)/rampSteps {
				t.Fatalf("1 ns before %d s: got %v, want %d/32", step, got, step)
			}
			pass(1)
			if got := share(); got != float64(step+1)/rampSteps {
				t.Fatalf("after %d s: got %v, want %d/32", step, got, step+1)
			}
		}
	})
}

func TestSlowStartAllocatesNothing(t *testing.T) {
	for _, policy := range Policies() {
		p := newPool(t, Options{Policy: policy, SlowStart: time.Hour}, equal(20))
		for _, b := range p.Backends()[:5] {
			b.Judge(Down, byCheck(""))
			b.Judge(Up, byCheck(""))
		}
		r := Request{Source: client(1)}
		if n := testing.AllocsPerRun(200, func() { session(t, p, &r) }); n != 0 {
			t.Errorf("%v: got %v allocations a session, want 0", policy, n)
		}
		for _, b := range p.Backends() {
			b.Drain() // stops the timers
		}
	}
}
