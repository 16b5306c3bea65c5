package l4

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"forebay/l4/l4test"
	"forebay/pool"
)

// A loyalFlock is a flock whose clients connect anew.
type loyalFlock struct {
	flock
	t *testing.T
	p *pool.Pool
}

func (f *loyalFlock) conclude(marks []mark, why Cause) {
	f.flock.conclude(marks, why)
	for range marks {
		f.add(f.t, f.p, sheep{name: "back"})
	}
}

// rebalance lets rule be followed until end is called, which returns what was logged.
func (f *loyalFlock) rebalance(rule Rebalance) (end func() string) {
	var said strings.Builder
	r := &rebalancer{Rebalance: rule, pool: f.p, herd: f, logger: slog.New(slog.NewTextHandler(&said, nil)), woken: make(chan struct{}, 1)}
	f.p.Watch(r.heed)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() { r.run(quit); close(ended) }()
	synctest.Wait()
	f.began = time.Now()
	return func() string {
		close(quit)
		<-ended
		return said.String()
	}
}

// rebalancing lets rule be followed in a flock of 20 like s on the first of two backends, when the second recovers; for
// two minutes.
func rebalancing(t *testing.T, rule Rebalance, o pool.Options, s sheep) (f *loyalFlock, log string) {
	t.Helper()
	o.Policy = pool.LeastConn
	p, err := pool.New(o, []pool.Config{backend(t, "127.0.0.1:1"), backend(t, "127.0.0.1:2")})
	if err != nil {
		t.Fatal(err)
	}
	f = &loyalFlock{t: t, p: p}
	second := p.Backends()[1]
	second.Judge(pool.Down, pool.Evidence{Witness: pool.Check})
	for range 20 {
		f.add(t, p, s)
	}
	time.Sleep(time.Second)
	end := f.rebalance(rule)
	second.Judge(pool.Up, pool.Evidence{Witness: pool.Check})
	time.Sleep(2 * time.Minute)
	return f, end()
}

func TestRebalanceKeepsItsRate(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		f, _ := rebalancing(t, Rebalance{Factor: 1.5, Rate: 5}, pool.Options{}, sheep{name: "first"})
		for i, g := range f.gone {
			if want := (departure{"first", time.Duration(i) * lookEvery, Rebalanced}); g != want {
				t.Errorf("%v went, want %v", g, want)
			}
		}
		if a, b := f.p.Backends()[0].Active(), f.p.Backends()[1].Active(); len(f.gone) != 10 || a != 10 || b != 10 {
			t.Errorf("%d went, and the backends have %d and %d; want 10 each", len(f.gone), a, b)
		}
	})
}

// TestRebalanceFollowsSlowStart has the backend that is back be worth little at first.
func TestRebalanceFollowsSlowStart(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		f, _ := rebalancing(t, Rebalance{Factor: 1.2, Rate: 1000}, pool.Options{SlowStart: 20 * time.Second}, sheep{})
		early := 0
		for _, g := range f.gone {
			if g.at < 10*time.Second {
				early++
			}
		}
		if len(f.gone) < 8 || early > 7 || early == 0 {
			t.Errorf("%d went, %d of them before half of the slow start; want some of nearly half of 20", len(f.gone), early)
		}
	})
}

func TestRebalanceDryRunOnlyTells(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		f, log := rebalancing(t, Rebalance{Factor: 1.5, Rate: 5, DryRun: true}, pool.Options{}, sheep{})
		if len(f.gone) > 0 {
			t.Errorf("%d went, want none", len(f.gone))
		}
		if want := `msg="rebalancing would end sessions" 127.0.0.1:1.sessions=20 127.0.0.1:1.surplus=10`; strings.Count(log, want) != 1 {
			t.Errorf("the log says %q, want once %q", log, want)
		}
	})
}

// TestRebalanceSparesSessionsAtWork has none that is quiet, for a minute.
func TestRebalanceSparesSessionsAtWork(t *testing.T) {
	for name, s := range map[string]sheep{"busy": {busy: true}, "waiting for an answer": {asking: true}} {
		l4test.Bubble(t, func(t *testing.T) {
			f, log := rebalancing(t, Rebalance{Factor: 1.5, Rate: 5}, pool.Options{}, s)
			if len(f.gone) > 0 || strings.Count(log, "rebalancing gave up") != 1 {
				t.Errorf("%s: %d went and the log says %q; want none, and that it gave up", name, len(f.gone), log)
			}
		})
	}
}

// TestRebalanceFollowsResume has a backend be drained while it is down for its owner's work, and be resumed when it is
// up again: that it is up has been told by then.
func TestRebalanceFollowsResume(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p, err := pool.New(pool.Options{Policy: pool.LeastConn}, []pool.Config{backend(t, "127.0.0.1:1"), backend(t, "127.0.0.1:2")})
		if err != nil {
			t.Fatal(err)
		}
		f := &loyalFlock{t: t, p: p}
		second := p.Backends()[1]
		second.Drain()
		for range 20 {
			f.add(t, p, sheep{})
		}
		end := f.rebalance(Rebalance{Factor: 1.5, Rate: 5})
		second.Judge(pool.Down, pool.Evidence{Witness: pool.Check})
		second.Judge(pool.Up, pool.Evidence{Witness: pool.Check})
		time.Sleep(time.Minute)
		if len(f.gone) > 0 {
			t.Errorf("%d went while the backend drained", len(f.gone))
		}
		second.Resume()
		time.Sleep(time.Minute)
		end()
		if len(f.gone) != 10 {
			t.Errorf("%d went, want 10", len(f.gone))
		}
	})
}

// TestRebalanceKnowsWhatIsFull has one backend of three have as many sessions as it may: the others can't give it any.
func TestRebalanceKnowsWhatIsFull(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		full := backend(t, "127.0.0.1:3")
		full.MaxConns = 2
		p, err := pool.New(pool.Options{Policy: pool.LeastConn}, []pool.Config{backend(t, "127.0.0.1:1"), backend(t, "127.0.0.1:2"), full})
		if err != nil {
			t.Fatal(err)
		}
		f := &loyalFlock{t: t, p: p}
		for range 30 {
			f.add(t, p, sheep{})
		}
		end := f.rebalance(Rebalance{Factor: 1.5, Rate: 10})
		b := p.Backends()[2]
		b.Judge(pool.Down, pool.Evidence{Witness: pool.Check})
		b.Judge(pool.Up, pool.Evidence{Witness: pool.Check})
		time.Sleep(time.Minute)
		end()
		if len(f.gone) > 0 {
			t.Errorf("%d went, want none", len(f.gone))
		}
	})
}

// TestRebalanceGivesUpWhenClientsComeBack has the policy send them to where they were.
func TestRebalanceGivesUpWhenClientsComeBack(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p, err := pool.New(pool.Options{Policy: pool.First}, []pool.Config{backend(t, "127.0.0.1:1"), backend(t, "127.0.0.1:2")})
		if err != nil {
			t.Fatal(err)
		}
		f := &loyalFlock{t: t, p: p}
		for range 20 {
			f.add(t, p, sheep{})
		}
		end := f.rebalance(Rebalance{Factor: 1.5, Rate: 10})
		p.Backends()[1].Drain()
		p.Backends()[1].Resume()
		time.Sleep(time.Minute)
		if log := end(); len(f.gone) != 20 || !strings.Contains(log, "clients come back to where they were") {
			t.Errorf("%d went and the log says %q; want the 10 that are too many twice, and that it gave up", len(f.gone), log)
		}
	})
}

// TestRebalancePassesOverABackendAtWork has the fullest backend have no quiet session, and the next one some that are
// too many.
func TestRebalancePassesOverABackendAtWork(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p, err := pool.New(pool.Options{Policy: pool.First}, []pool.Config{backend(t, "127.0.0.1:1"), backend(t, "127.0.0.1:2"), backend(t, "127.0.0.1:3")})
		if err != nil {
			t.Fatal(err)
		}
		var f flock
		for range 30 {
			f.add(t, p, sheep{name: "at work", busy: true})
		}
		p.Backends()[0].Drain()
		for range 20 {
			f.add(t, p, sheep{name: "quiet"})
		}
		p.Backends()[0].Resume()
		time.Sleep(time.Second)
		r := &rebalancer{Rebalance: Rebalance{Factor: 1.5, Rate: 10}, pool: p, herd: &f, logger: slog.New(slog.DiscardHandler)}
		if ended, _ := r.look(0); ended != 2 || f.gone[0].name != "quiet" {
			t.Errorf("%d were ended, want the 2 of a look's share that are quiet", ended)
		}
	})
}

// departing is a herd in which five sessions have been concluded that have yet to end.
type departing struct{ *flock }

func (d departing) roll(of func(*session) bool) roll {
	r := d.flock.roll(of)
	r.leaving[d.sheep[0].lease.Backend()] = 5
	r.marks = r.marks[5:]
	return r
}

func TestRebalanceCountsWhatIsLeaving(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p, err := pool.New(pool.Options{Policy: pool.First}, []pool.Config{backend(t, "127.0.0.1:1"), backend(t, "127.0.0.1:2")})
		if err != nil {
			t.Fatal(err)
		}
		var f flock
		for range 20 {
			f.add(t, p, sheep{})
		}
		time.Sleep(time.Second)
		r := &rebalancer{Rebalance: Rebalance{Factor: 1.5, Rate: 1000}, pool: p, herd: departing{&f}, logger: slog.New(slog.DiscardHandler)}
		if ended, _ := r.look(0); ended != 5 {
			t.Errorf("%d of 20 were ended while 5 were leaving, want 5: 10 of the 20 that are expected again are its share", ended)
		}
	})
}

// TestRebalancedSessionsEndInGoodOrder goes the whole way, from a check's word to the client.
func TestRebalancedSessionsEndInGoodOrder(t *testing.T) {
	s := servePool(t, func(s *Server) { s.Rebalance = Rebalance{Factor: 1.5, Rate: 1000} }, pool.Options{Policy: pool.LeastConn},
		backend(t, l4test.Echo(t).Addr()), backend(t, l4test.Echo(t).Addr()))
	s.down()
	var peers []*l4test.Peer
	for range 4 {
		peers = append(peers, l4test.Dial(t, s.addr).Send("x").Expect("x"))
	}
	s.Pool.Backends()[0].Judge(pool.Up, pool.Evidence{Witness: pool.Check})
	s.record(t, Rebalanced)
	s.record(t, Rebalanced)
	peers[0].ExpectEOF() // the stillest
	peers[1].ExpectEOF()
	peers[2].Send("y").Expect("y").CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
}
