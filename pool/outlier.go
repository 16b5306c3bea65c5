package pool

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// The limits by which a backend is slow beside the others. A window is long enough for a slow answer to arrive. A pause
// of one server is over before three windows have passed; a slow server is still slow then.
const (
	slowWindow   = 10 * time.Second
	slowInARow   = 3
	slowSessions = 5                     // in a window: fewer say little
	slowPool     = 3                     // backends whose time must be known before a median means something
	slowFloor    = 10 * time.Millisecond // over the median: a smaller difference disturbs nobody
)

// CompareTimes compares the backends' times every 10 s until ctx is done. It ejects a backend whose connect time or
// time to the first byte was more than Ejection.Slow times the median in three windows in a row. Without Ejection.Slow
// it returns at once.
func (p *Pool) CompareTimes(ctx context.Context) {
	if p.options.Ejection.Slow == 0 {
		return
	}
	tick := time.NewTicker(slowWindow)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.compareTimes()
		}
	}
}

// A timing holds a backend's times in one window. 0: too few sessions to tell.
type timing struct {
	backend            *Backend
	connect, firstByte time.Duration
}

func (p *Pool) compareTimes() {
	p.mu.Lock()
	defer p.release()
	var timings []timing
	for _, m := range configured(*p.members.Load()) {
		if t := m.timingLocked(); m.State() == Up {
			timings = append(timings, t)
		}
	}
	connect := p.options.Ejection.limit(timings, func(t timing) time.Duration { return t.connect })
	firstByte := p.options.Ejection.limit(timings, func(t timing) time.Duration { return t.firstByte })
	for _, t := range timings {
		switch {
		case t.connect > connect.bound:
			p.slowLocked(t.backend, "connect", t.connect, connect)
		case t.firstByte > firstByte.bound:
			p.slowLocked(t.backend, "send the first byte", t.firstByte, firstByte)
		default:
			t.backend.slowWindows = 0
		}
	}
}

// timingLocked returns b's times. One is 0 where there were too few sessions for it since the last call.
func (b *Backend) timingLocked() timing {
	t := timing{backend: b}
	picks, answered := b.picks.Load(), b.answered.Load()
	if picks-b.picksSeen >= slowSessions {
		t.connect = b.connect.duration()
	}
	if answered-b.answeredSeen >= slowSessions {
		t.firstByte = b.firstByte.duration()
	}
	b.picksSeen, b.answeredSeen = picks, answered
	return t
}

// A limit is how long a backend may take, and the median that it follows from.
type limit struct{ median, bound time.Duration }

// limit returns the limit for the time that of selects. Where too few are known there is no bound.
func (e Ejection) limit(timings []timing, of func(timing) time.Duration) limit {
	var known []time.Duration
	for _, t := range timings {
		if of(t) > 0 {
			known = append(known, of(t))
		}
	}
	if len(known) < slowPool {
		return limit{bound: 1<<63 - 1}
	}
	slices.Sort(known)
	median := known[(len(known)-1)/2]
	return limit{median, max(time.Duration(e.Slow*float64(median)), median+slowFloor)}
}

// slowLocked counts one more window in which b was slow, and ejects it after slowInARow.
func (p *Pool) slowLocked(b *Backend, act string, took time.Duration, l limit) {
	if b.slowWindows++; b.slowWindows < slowInARow || !p.mayEjectLocked(b) {
		return
	}
	b.forgetTimes()
	p.ejectLocked(b, Evidence{Witness: Latency, Took: took,
		Reason: fmt.Sprintf("took %v to %s, the median of the pool is %v", took.Round(10*time.Microsecond), act,
			l.median.Round(10*time.Microsecond))})
}

// forgetTimes drops b's measured times, so that the old ones do not count when it comes back.
func (b *Backend) forgetTimes() {
	b.connect.mean.Store(0)
	b.firstByte.mean.Store(0)
}
