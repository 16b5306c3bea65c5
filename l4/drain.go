package l4

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"forebay/pool"
)

// A Drain says how a backend is emptied: idle sessions go first, the others one after the other, and what is left at
// the end is cut.
//
// A session is concluded, not cut: see conclude. That is done when the session is quiet: its backend spoke last, so no
// request is under way. Over Spread the number of sessions that may be left falls evenly to none; sessions that ended
// by themselves count as well. Idle sessions go ten times as fast, the longest idle first. So busy sessions have as
// much time as the pace allows to become idle or to end.
type Drain struct {
	Backend *pool.Backend

	// Idle is how long a session must have stood still to be idle, whoever spoke last. 0: no session is idle, and each
	// waits until it is quiet.
	Idle     time.Duration
	Spread   time.Duration // how long it takes until every session has had its turn; 0: all have it at once
	Deadline time.Duration // when those left are reset (DrainCut), counted from the beginning like Spread; 0: never

	// Progress, if not nil, is called at the beginning, then five times a second or, with many sessions, at least every
	// few seconds, and at the end, from the goroutine that drains.
	Progress func(DrainProgress)
}

// DefaultDrain returns a Drain of b that interrupts next to nobody.
func DefaultDrain(b *pool.Backend) Drain {
	return Drain{Backend: b, Idle: 5 * time.Second, Spread: 2 * time.Minute, Deadline: 10 * time.Minute}
}

// A DrainProgress is how far a drain has come.
type DrainProgress struct {
	Elapsed time.Duration
	Total   int           // sessions that there were at the beginning
	Left    int           // that there still are
	Leaving int           // of those left, the ones that have been concluded and whose backends have yet to answer
	Cut     int           // that were reset at the deadline
	Oldest  time.Duration // the age of the oldest one left; 0 where none is
	ETA     time.Duration // until the last is gone, if all become quiet in time; negative where it can't be known
}

// ErrResumed is what a drain returns whose backend is to serve again.
var ErrResumed = errors.New("the backend has been resumed")

// ErrNotServing is what a drain returns when the Server stops.
var ErrNotServing = errors.New("the server does not serve")

// Drain takes d.Backend out of use (pool.Backend.Drain) and ends its sessions. It returns when none is left, when ctx
// is done, or when the backend is resumed. The backend stays out of use, whatever is returned, until its Resume is
// called.
func (s *Server) Drain(ctx context.Context, d Drain) error {
	if err := d.validate(); err != nil {
		return err
	}
	s.prepare()
	d.Backend.Drain()
	return drainage{
		Drain: d, herd: s, quit: s.quit, cut: DrainCut,
		of:   func(x *session) bool { return x.lease.Backend() == d.Backend },
		left: func(roll) int { return d.Backend.Active() }, // sessions that are connecting included
		off:  func() bool { return !d.Backend.Draining() },
	}.run(ctx)
}

func (d *Drain) validate() error {
	var faults []error
	if d.Backend == nil {
		faults = append(faults, errors.New("a drain of no backend: one is needed"))
	}
	if d.Idle < 0 || d.Spread < 0 || d.Deadline < 0 {
		faults = append(faults,
			fmt.Errorf("a drain with the times %v, %v and %v: none may be negative", d.Idle, d.Spread, d.Deadline))
	}
	if d.Deadline > 0 && d.Deadline < d.Spread {
		faults = append(faults, fmt.Errorf("a drain that ends after %v leaves no time to spread sessions over %v: a later end is right, or a shorter spread",
			d.Deadline, d.Spread))
	}
	return errors.Join(faults...)
}

// lookEvery is how often a goroutine that ends sessions bit by bit looks at them.
const lookEvery = 200 * time.Millisecond

// A herd holds the sessions that are drained. A Server is one.
type herd interface {
	roll(of func(*session) bool) roll
	conclude(marks []mark, why Cause)
	reset(of func(*session) bool, why Cause)
}

// A drainage is a Drain under way.
type drainage struct {
	Drain
	herd herd
	quit <-chan struct{}
	of   func(*session) bool // the sessions to end
	left func(roll) int      // how many there are
	cut  Cause
	off  func() bool // the drain is not wanted any more

	gone int // sessions that were reset so far, at the deadline
}

func (d drainage) run(ctx context.Context) error {
	began, total := time.Now(), d.Backend.Active()
	for {
		looked := time.Now()
		progress := d.look(looked.Sub(began), total)
		next := time.After(untilNextLook(time.Since(looked)))
		d.tell(progress)
		switch {
		case d.over(progress):
			return nil
		case d.off():
			return ErrResumed
		}
		select {
		case <-next:
		case <-d.quit:
			return ErrNotServing
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A look shows every session of the server, 50 ns each, to each of the drains under way. So a look that takes long is
// followed by a longer pause: looking takes a twentieth of the time, however many sessions there are. But the pause is
// never longer than leastOften, for the pace to be kept.
const (
	lookShare  = 20
	leastOften = 5 * time.Second
)

// untilNextLook is how long to wait after a look that took so long.
func untilNextLook(took time.Duration) time.Duration {
	return max(lookEvery, min(lookShare*took, leastOften))
}

// over reports whether nothing is left to do. Sessions that are not to end may be left, and before the deadline also
// sessions to end that are still connecting.
func (d *drainage) over(p DrainProgress) bool {
	return p.Left == 0 && (d.Backend.Active() == 0 || d.expired(p.Elapsed))
}

func (d *drainage) tell(p DrainProgress) {
	if d.Progress != nil {
		d.Progress(p)
	}
}

// expired reports whether the deadline has come.
func (d *Drain) expired(elapsed time.Duration) bool { return d.Deadline > 0 && elapsed >= d.Deadline }

// look does what is due by now. Nothing is due once the backend is to serve again.
func (d *drainage) look(elapsed time.Duration, total int) DrainProgress {
	wanted := !d.off()
	if wanted && d.expired(elapsed) {
		before := d.Backend.Active()
		d.herd.reset(d.of, d.cut)
		d.gone += before - d.Backend.Active()
	}
	r := d.herd.roll(d.of)
	left, leaving := d.left(r), r.leaving[d.Backend]
	if wanted {
		chosen := d.choose(r.marks, elapsed, total, total-(left-leaving))
		d.herd.conclude(chosen, Drained)
		left, leaving = min(left, d.Backend.Active()), leaving+len(chosen)
	}
	p := DrainProgress{Elapsed: elapsed, Total: total, Left: left, Leaving: min(leaving, left), Cut: d.gone,
		Oldest: r.oldest, ETA: d.eta(elapsed)}
	if left == 0 {
		p.Oldest, p.ETA = 0, 0
	}
	return p
}

// idleHaste is how many times faster than the pace idle sessions go. They do not all go at once, as their clients may
// connect again at once.
const idleHaste = 10

// choose returns those of marks whose turn it is, after gone of total sessions have ended or been concluded. It
// reorders marks.
func (d *Drain) choose(marks []mark, elapsed time.Duration, total, gone int) []mark {
	slices.SortStableFunc(marks, func(a, b mark) int { return int(b.still - a.still) })
	idleDue, due := d.due(idleHaste*elapsed, total)-gone, d.due(elapsed, total)-gone
	var chosen []mark
	for _, m := range marks {
		idle := d.Idle > 0 && m.still >= d.Idle
		if len(chosen) < idleDue && idle || len(chosen) < due && m.quiet {
			chosen = append(chosen, m)
		}
	}
	return chosen
}

// due is how many of total sessions should have ended by then.
func (d *Drain) due(elapsed time.Duration, total int) int {
	if elapsed >= d.Spread {
		return total
	}
	return int(float64(total) * (float64(elapsed) / float64(d.Spread)))
}

// eta returns how much longer the drain takes: to the end of the spread or, once that is over, to the deadline.
func (d *Drain) eta(elapsed time.Duration) time.Duration {
	switch {
	case elapsed < d.Spread:
		return d.Spread - elapsed
	case d.Deadline > 0:
		return max(d.Deadline-elapsed, 0)
	}
	return -1
}
