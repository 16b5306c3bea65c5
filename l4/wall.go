package l4

import (
	"sort"
	"sync/atomic"
	"time"
)

// A wall knows what the wall clock showed at each moment of the server's clock. The server's clock is monotonic and
// stands still while the machine sleeps. The wall clock goes on, and may be set at any time (clock_settime(2)). Whoever
// reads a time in a log compares it with what else was logged at that moment. So the beginning of a session is logged
// as the wall clock showed it then.
type wall struct {
	steps atomic.Pointer[[]wallStep] // in their order, never changed in place, never empty
	// read returns the server's clock and the wall clock, in Unix time, both in ns. nil: the kernel's clocks.
	read func() (now, wall int64)
}

// A wallStep says how far the wall clock was ahead of the server's from a moment on.
type wallStep struct{ since, ahead int64 }

const (
	// stepLeast is the smallest difference that counts as a step; less is the time between two readings.
	stepLeast = int64(time.Millisecond)
	// mostSteps is how many steps are remembered. For sessions from before, the oldest of them counts.
	mostSteps = 32
)

// begin makes the server's clock begin at epoch.
func (w *wall) begin(epoch time.Time) {
	if w.read == nil {
		w.read = func() (now, wall int64) {
			t := time.Now()
			return int64(t.Sub(epoch)), t.UnixNano()
		}
	}
	now, wall := w.read()
	w.steps.Store(&[]wallStep{{ahead: wall - now}})
}

// look returns what the server's clock shows, and finds out whether the wall clock was set. It costs one more reading
// of a clock.
func (w *wall) look() (now int64) {
	now, wall := w.read()
	if off(wall-now, w.last()) {
		w.doubt(now)
	}
	return now
}

// off reports whether two differences of the clocks are not the same.
func off(one, other int64) bool { return max(one-other, other-one) >= stepLeast }

func (w *wall) last() (ahead int64) {
	steps := *w.steps.Load()
	return steps[len(steps)-1].ahead
}

// doubt notes a step, unless this thread merely had to wait between two readings: then the next ones agree.
func (w *wall) doubt(since int64) {
	const looks = 3
	for range looks {
		now, wall := w.read()
		again, wallAgain := w.read()
		switch ahead := wall - now; {
		case off(wallAgain-again, ahead):
			continue
		case off(ahead, w.last()):
			w.note(wallStep{since, ahead})
		}
		return
	}
}

func (w *wall) note(s wallStep) {
	for {
		old := w.steps.Load()
		past := (*old)[max(0, len(*old)+1-mostSteps):]
		steps := append(append(make([]wallStep, 0, len(past)+1), past...), s)
		if w.steps.CompareAndSwap(old, &steps) {
			return
		}
	}
}

// at returns what the wall clock showed when the server's showed now.
func (w *wall) at(now int64) time.Time {
	steps := *w.steps.Load()
	later := sort.Search(len(steps), func(i int) bool { return steps[i].since > now })
	return time.Unix(0, now+steps[max(later-1, 0)].ahead)
}
