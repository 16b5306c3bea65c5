package pool

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// How backends that are slow beside the others are told. A window is long enough for a slow answer to come; in three of
// them in a row a pause of one server is over, and a slow server still is.
const (
	slowWindow   = 10 * time.Second
	slowInARow   = 3
	slowSessions = 5                     // in a window; fewer say little
	slowPool     = 3                     // backends that must have a time, for a median to mean something
	slowFloor    = 10 * time.Millisecond // over the median: what is less slow disturbs nobody
)

// CompareTimes compares the backends' times every 10 s until ctx is done, and ejects one whose connect time or time to
// the first byte was Ejection.Slow times the median in three windows in a row. Without Ejection.Slow it returns at
// once.
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

// A timing is what a backend was measured at in one window; 0: not often enough to tell.
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

// timingLocked returns b's times, as far as there were sessions enough since the last call.
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

// A limit is what no backend should take longer than.
type limit struct{ median, bound time.Duration }

// limit returns that of one of the times of timings. Where too few are known it bounds nothing.
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

// slowLocked takes in that b was slow in one more window.
func (p *Pool) slowLocked(b *Backend, act string, took time.Duration, l limit) {
	if b.slowWindows++; b.slowWindows < slowInARow || !p.mayEjectLocked(b) {
		return
	}
	b.forgetTimes()
	p.ejectLocked(b, Evidence{Witness: Latency, Took: took,
		Reason: fmt.Sprintf("took %v to %s, the median of the pool is %v", took.Round(10*time.Microsecond), act, l.median.Round(10*time.Microsecond))})
}

// forgetTimes lets b be measured anew, so that what made it slow once does not count when it comes back.
func (b *Backend) forgetTimes() {
	b.connect.mean.Store(0)
	b.firstByte.mean.Store(0)
}
