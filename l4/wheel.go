package l4

import (
	"math/bits"
	"time"
)

// A wheel keeps a loop's timers. It is hashed and hierarchical (Varghese and Lauck, 1987), so that arming and
// cancelling cost the same however many sessions there are. It is pure: times are nanoseconds on a clock of the
// caller's.
//
// Level 0 has a slot for each of the next 64 ticks, level 1 for each of the next 64 runs of 64 ticks, and so on; a
// timer moves down a level when its run begins. A timer fires at the first tick that is not before its time, never
// early.
type wheel struct {
	tick  int64 // the last tick that was run
	slots [wheelLevels][wheelSlots]timer
	used  [wheelLevels]uint64 // a bit for each slot that may hold timers
	count int
}

const (
	wheelTick   = int64(10 * time.Millisecond) // fine enough for limits, coarse enough to share wake-ups
	wheelBits   = 6
	wheelSlots  = 1 << wheelBits
	wheelLevels = 5 // 64^5 ticks of 10 ms are 124 days; what is further off waits in the last slot and is armed again
	wheelSpan   = int64(1) << (wheelBits * wheelLevels)
)

// never is a time that does not come.
const never = int64(1<<63 - 1)

// A timer is one session's place in a wheel, or a slot's list head. The zero timer is not armed.
type timer struct {
	next, prev *timer
	session    *session // nil for the loop's own timer
	due        int64    // ns
}

func (t *timer) armed() bool { return t.next != nil }

// arm sets t to fire at due, whatever t was set to before.
func (w *wheel) arm(t *timer, due int64) {
	w.cancel(t)
	t.due = due
	w.place(t, w.tick+1)
	w.count++
}

// cancel takes t out. t need not be armed.
func (w *wheel) cancel(t *timer) {
	if !t.armed() {
		return
	}
	t.unlink()
	w.count--
}

func (t *timer) unlink() {
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
}

// place links t into the slot of its time, or of the tick first where that is later.
func (w *wheel) place(t *timer, first int64) {
	at := max(ceilTick(t.due), first)
	at = min(at, w.tick+wheelSpan-1)
	level := 0
	if ahead := uint64(at ^ w.tick); ahead >= wheelSlots {
		level = min((bits.Len64(ahead)-1)/wheelBits, wheelLevels-1)
	}
	slot := int(at>>(wheelBits*level)) & (wheelSlots - 1)
	head := &w.slots[level][slot]
	if head.next == nil {
		head.next, head.prev = head, head
	}
	t.next, t.prev = head, head.prev
	head.prev.next, head.prev = t, t
	w.used[level] |= 1 << slot
}

func ceilTick(ns int64) int64 {
	if ns > never-wheelTick {
		return never / wheelTick
	}
	return (ns + wheelTick - 1) / wheelTick
}

// next returns when run should be called again, or never. The time may be too early where a timer was cancelled or
// stands on a higher level.
func (w *wheel) next() int64 {
	if w.count == 0 {
		return never
	}
	for level := range w.used {
		here := int(w.tick>>(wheelBits*level)) & (wheelSlots - 1)
		// Slots up to here have been run or moved down; the ones after it come next, in order.
		if ahead := w.used[level] &^ (uint64(2)<<here - 1); ahead != 0 {
			run := w.tick>>(wheelBits*(level+1))<<wheelBits | int64(bits.TrailingZeros64(ahead))
			return run << (wheelBits * level) * wheelTick
		}
	}
	// Only the last level goes round.
	run := (w.tick>>(wheelBits*wheelLevels)+1)<<wheelBits | int64(bits.TrailingZeros64(w.used[wheelLevels-1]))
	return run << (wheelBits * (wheelLevels - 1)) * wheelTick
}

// run fires every timer whose time has come by now. fire may arm and cancel timers, the one it was given included.
func (w *wheel) run(now int64, fire func(*timer)) {
	for end := now / wheelTick; w.tick < end; {
		at := w.next() / wheelTick
		if at > end {
			w.tick = end
			return
		}
		w.tick = at
		w.descend()
		w.drain(0, fire)
	}
}

// descend moves down the timers of every run that begins with the present tick.
func (w *wheel) descend() {
	for level := wheelLevels - 1; level > 0; level-- {
		if w.tick&(1<<(wheelBits*level)-1) == 0 {
			w.drain(level, func(t *timer) { w.place(t, w.tick); w.count++ })
		}
	}
}

// drain empties the slot of the present tick on a level, one timer after the other, so that each may cancel those
// behind it.
func (w *wheel) drain(level int, each func(*timer)) {
	slot := int(w.tick>>(wheelBits*level)) & (wheelSlots - 1)
	head := &w.slots[level][slot]
	w.used[level] &^= 1 << slot
	if head.next == nil {
		return
	}
	for head.next != head {
		t := head.next
		w.cancel(t)
		each(t)
	}
}
