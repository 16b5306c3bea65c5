package l4

import (
	"sync/atomic"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// clocks are two clocks that are set by hand.
type clocks struct{ now, wall int64 }

func (c *clocks) pass(d time.Duration) { c.now, c.wall = c.now+int64(d), c.wall+int64(d) }

func (c *clocks) read() (now, wall int64) { return c.now, c.wall }

// A moment is told as the wall clock told it then, whatever became of that later.
func TestWallTellsEachMomentAsItWas(t *testing.T) {
	c := &clocks{wall: 1_000_000_000 * int64(time.Second)}
	w := &wall{read: c.read}
	w.begin(time.Time{})
	type moment struct{ now, wall int64 }
	var all []moment
	for _, step := range []time.Duration{0, time.Hour, 0, -2 * time.Hour, 8 * time.Hour, 5 * time.Millisecond, time.Microsecond, 0} {
		c.pass(time.Second)
		c.wall += int64(step)
		all = append(all, moment{w.look(), c.wall})
	}
	for i, m := range all {
		if got := w.at(m.now).UnixNano(); off(got, m.wall) {
			t.Errorf("moment %d: got %v, want %v", i, time.Unix(0, got), time.Unix(0, m.wall))
		}
	}
	if n := len(*w.steps.Load()); n != 5 {
		t.Errorf("got %d steps, want 4 and the beginning", n)
	}
}

// A thread that has to wait between its readings sees a step that is none.
func TestWallIsNotFooledByPauses(t *testing.T) {
	c := &clocks{wall: int64(time.Hour)}
	pauses := 0
	w := &wall{read: func() (now, wall int64) {
		c.pass(time.Second)
		if pauses > 0 {
			pauses--
			return c.now - int64(pauses+1)*int64(100*time.Millisecond), c.wall
		}
		return c.read()
	}}
	w.begin(time.Time{})
	for pauses = range 8 {
		w.look()
		pauses = 0
		if n := len(*w.steps.Load()); n != 1 {
			t.Fatalf("got %d steps, want none but the beginning", n)
		}
	}
}

// A clock that is set for ever fills no memory.
func TestWallRemembersTheLastSteps(t *testing.T) {
	c := &clocks{}
	w := &wall{read: c.read}
	w.begin(time.Time{})
	for range 10 * mostSteps {
		c.pass(time.Second)
		c.wall += int64(time.Minute)
		w.look()
	}
	if n := len(*w.steps.Load()); n != mostSteps {
		t.Errorf("got %d steps, want %d", n, mostSteps)
	}
	if got := w.at(c.now).UnixNano(); got != c.wall {
		t.Errorf("now: got %d, want %d", got, c.wall)
	}
}

// Two sessions that end together: one began before the clock was set, one after.
func TestRecordTellsWhatTheWallClockShowed(t *testing.T) {
	var ahead atomic.Int64
	server := serve(t, func(s *Server) {
		s.wall.read = func() (now, wall int64) {
			t := time.Now()
			return int64(t.Sub(s.epoch)), t.UnixNano() + ahead.Load()
		}
	}, l4test.Echo(t).Addr())
	began := time.Now().Add(-time.Second)
	early := l4test.Dial(t, server.addr).Send("x").Expect("x")
	ahead.Store(int64(10 * time.Hour))
	late := l4test.Dial(t, server.addr).Send("x").Expect("x")
	early.CloseWrite().ExpectEOF()
	first := server.record(t, ClientClosed)
	late.CloseWrite().ExpectEOF()
	second := server.record(t, ClientClosed)
	if d := first.Start.Sub(began); d < 0 || d > time.Hour {
		t.Errorf("the early one began %v after the test, want at once", d)
	}
	if d := second.Start.Sub(began); d < 10*time.Hour || d > 11*time.Hour || second.Total > time.Hour {
		t.Errorf("the late one began %v after the test and lasted %v, want 10h and little", d, second.Total)
	}
}

func BenchmarkWallLook(b *testing.B) {
	var w wall
	w.begin(time.Now())
	b.ReportAllocs()
	for b.Loop() {
		w.look()
	}
}
