package l4

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// fired runs w to now and returns the timers that fired, in order.
func fired(w *wheel, now time.Duration) []*timer {
	var all []*timer
	w.run(int64(now), func(t *timer) { all = append(all, t) })
	return all
}

func TestWheelFiresAtTheFirstTickThatIsNotEarly(t *testing.T) {
	for _, due := range []time.Duration{
		1, 10 * time.Millisecond, 10*time.Millisecond + 1, 25 * time.Millisecond, 639 * time.Millisecond, 640 * time.Millisecond,
		641 * time.Millisecond, time.Second, 41 * time.Second, time.Hour, 47 * time.Hour, 130 * 24 * time.Hour,
	} {
		for _, start := range []time.Duration{0, 7 * time.Millisecond, 630 * time.Millisecond, 40960 * time.Millisecond, 99 * time.Hour} {
			t.Run(due.String()+" from "+start.String(), func(t *testing.T) {
				w := wheel{tick: int64(start) / wheelTick}
				var timer timer
				w.arm(&timer, int64(start+due))
				at := (start + due + time.Duration(wheelTick) - 1) / time.Duration(wheelTick) * time.Duration(wheelTick)
				if len(fired(&w, at-1)) != 0 {
					t.Fatalf("fired before %v", at)
				}
				if got := fired(&w, at); len(got) != 1 || got[0] != &timer {
					t.Fatalf("at %v: fired %d timers, want the one", at, len(got))
				}
				if timer.armed() || w.count != 0 {
					t.Errorf("it is still armed")
				}
			})
		}
	}
}

// TestWheelAgainstAList arms, cancels and runs at random and compares with a plain list.
func TestWheelAgainstAList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var w wheel
	now := int64(0)
	timers := make([]timer, 200)
	for range 20_000 {
		x := &timers[random.IntN(len(timers))]
		switch random.IntN(4) {
		case 0:
			w.cancel(x)
		case 1, 2:
			w.arm(x, now+1+int64(random.ExpFloat64()*float64(10*time.Second)))
		default:
			if next := w.next(); next != never {
				for i := range timers {
					if timers[i].armed() && ceilTick(timers[i].due)*wheelTick < next {
						t.Fatalf("next is %v, after a timer of %v", time.Duration(next), time.Duration(timers[i].due))
					}
				}
			}
			now += int64(random.ExpFloat64() * float64(time.Second))
			var want []*timer
			for i := range timers {
				if timers[i].armed() && ceilTick(timers[i].due) <= now/wheelTick {
					want = append(want, &timers[i])
				}
			}
			got := fired(&w, time.Duration(now))
			if len(got) != len(want) {
				t.Fatalf("at %v: %d timers fired, want %d", time.Duration(now), len(got), len(want))
			}
			for _, g := range got {
				if !slices.Contains(want, g) {
					t.Fatalf("at %v: fired a timer of %v", time.Duration(now), time.Duration(g.due))
				}
			}
		}
	}
}

func TestWheelTimerMayCancelAndRearmOthers(t *testing.T) {
	var w wheel
	var a, b, c timer
	w.arm(&a, wheelTick)
	w.arm(&b, wheelTick)
	var order []*timer
	w.run(wheelTick, func(x *timer) {
		order = append(order, x)
		w.cancel(&b)
		w.arm(&a, 3*wheelTick)
		w.arm(&c, wheelTick)
	})
	if !slices.Equal(order, []*timer{&a}) {
		t.Fatalf("%d timers fired, want the first alone: it cancelled the second and armed the third for the next tick", len(order))
	}
	if got := fired(&w, time.Duration(2*wheelTick)); !slices.Equal(got, []*timer{&c}) {
		t.Errorf("at the second tick: %d timers, want the third alone", len(got))
	}
	if w.next() != 3*wheelTick {
		t.Errorf("next is %v, want the first again at %v", w.next(), 3*wheelTick)
	}
}

func TestEmptyWheelNeverWantsToRun(t *testing.T) {
	var w wheel
	var x timer
	w.arm(&x, int64(time.Second))
	w.cancel(&x)
	if w.next() != never {
		t.Errorf("next is %v, want never", time.Duration(w.next()))
	}
}

func BenchmarkWheelArmCancel(b *testing.B) {
	b.ReportAllocs()
	var w wheel
	timers := make([]timer, 10_000)
	for i := range timers {
		w.arm(&timers[i], int64(time.Duration(i)*time.Second))
	}
	for i := 0; b.Loop(); i++ {
		x := &timers[i%len(timers)]
		w.cancel(x)
		w.arm(x, int64(i)*int64(time.Millisecond))
	}
}
