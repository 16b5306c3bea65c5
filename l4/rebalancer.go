package l4

import (
	"log/slog"
	"slices"
	"time"

	"forebay/pool"
)

// A rebalancer spreads the sessions of one pool anew. It sleeps until a backend has joined, recovered or been resumed.
type rebalancer struct {
	Rebalance
	pool   *pool.Pool
	herd   herd
	logger *slog.Logger
	woken  chan struct{}
	// most is the most sessions that there were since it woke up: clients of ended sessions are expected back.
	most float64
	// left is the sessions still to be ended, of those that were too many when the skew was found. nil: there is no
	// skew.
	left   map[*pool.Backend]int
	least  int // the fewest that were too many since it woke up; 0: nobody has looked
	futile int // how often in a row ending sessions has left as many too many
}

// followSkew has the sessions of every pool spread anew, where Rebalance asks for that.
func (s *Server) followSkew() {
	if s.Rebalance.Rate == 0 {
		return
	}
	for p := range s.pools() {
		r := &rebalancer{Rebalance: s.Rebalance, pool: p, herd: s, logger: s.log(), woken: make(chan struct{}, 1)}
		p.Watch(r.heed)
		s.aside(func() { r.run(s.quit) })
	}
}

// heed is called with each change of a backend's state, and waits for nothing.
func (r *rebalancer) heed(_ *pool.Backend, t pool.Transition) {
	if t.To != pool.Up {
		return
	}
	select {
	case r.woken <- struct{}{}:
	default: // it is awake, or will be
	}
}

func (r *rebalancer) run(quit <-chan struct{}) {
	for changed := r.pool.Changed(); ; {
		select {
		case <-r.woken:
		case <-changed:
		case <-quit:
			return
		}
		changed = r.pool.Changed() // before the look, so that no change is missed
		r.settle(quit)
	}
}

// resignAfter is how many looks in a row must find no session to end before a rebalancer gives up: a minute's.
const resignAfter = int(time.Minute / lookEvery)

// settle looks again and again until the sessions are spread fairly.
func (r *rebalancer) settle(quit <-chan struct{}) {
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	r.most, r.least, r.futile = 0, 0, 0
	for n, vain := 0, 0; vain < resignAfter; n++ {
		ended, more := r.look(n)
		if !more {
			return
		}
		if vain++; ended > 0 || r.left == nil {
			vain = 0
		}
		select {
		case <-every.C:
		case <-quit:
			return
		}
	}
	r.left = nil
	r.logger.Info("rebalancing gave up: no session gets quiet")
}

// look ends what may be ended now, and reports whether to look again.
func (r *rebalancer) look(n int) (ended int, more bool) {
	loads := loadsOf(r.pool)
	r.most = max(r.most, total(loads))
	weigh(loads, r.Factor, r.most)
	if r.left == nil && !r.begin(loads) {
		return 0, r.startsSlowly()
	}
	if r.DryRun {
		r.left = nil
		return 0, false
	}
	found := r.herd.roll(func(s *session) bool { return r.left[s.lease.Backend()] > 0 })
	quiet := found.quiet()
	for i := range loads {
		l := &loads[i]
		l.Sessions -= found.leaving[l.Backend]
		l.Surplus = r.left[l.Backend]
		l.quiet = quiet[l.Backend]
	}
	for i, from := range shed(loads, allowance(r.Rate, n), r.most) {
		ended += r.end(found.marks, loads[i].Backend, from)
	}
	if !slices.ContainsFunc(loads, func(l Load) bool { return l.Surplus > 0 && l.above(r.most) > 0 }) {
		r.left = nil // where that was not enough, the next look begins anew
	}
	return ended, true
}

// begin notes how many sessions are too many, and reports whether any are to be ended.
func (r *rebalancer) begin(loads []Load) bool {
	left, about, surplus := map[*pool.Backend]int{}, []any{}, 0
	for _, l := range loads {
		if l.Surplus > 0 {
			left[l.Backend] = l.Surplus
			surplus += l.Surplus
			about = append(about, slog.Group(l.Backend.Name(), "sessions", l.Sessions, "surplus", l.Surplus))
		}
	}
	if surplus == 0 || r.resigns(surplus) {
		return false
	}
	r.left = left
	what := "rebalancing"
	if r.DryRun {
		what = "rebalancing would end sessions"
	}
	r.logger.Info(what, about...)
	return true
}

// futileRounds is how often in a row clients may come back to where they were: now and then they do by chance.
const futileRounds = 2

// resigns takes in how many sessions are too many this time, and reports whether ending them is in vain. It is when
// their clients come back to the same backends, as the policy chooses so or no other backend can be reached. While a
// backend starts slowly, more and more sessions are too many: that does not count.
func (r *rebalancer) resigns(surplus int) bool {
	if r.least == 0 || surplus < r.least || r.startsSlowly() {
		r.least, r.futile = surplus, 0
		return false
	}
	if r.futile++; r.futile < futileRounds {
		return false
	}
	r.logger.Info("rebalancing gave up: clients come back to where they were")
	return true
}

// end concludes n quiet sessions of b, the stillest first, and returns how many it found.
func (r *rebalancer) end(marks []mark, b *pool.Backend, n int) int {
	if n == 0 { // which is so for most backends
		return 0
	}
	quiet := slices.DeleteFunc(slices.Clone(marks), func(m mark) bool { return m.backend != b || !m.quiet })
	slices.SortStableFunc(quiet, func(a, b mark) int { return int(b.still - a.still) })
	quiet = quiet[:min(n, len(quiet))]
	if len(quiet) > 0 {
		r.herd.conclude(quiet, Rebalanced)
		r.left[b] -= len(quiet)
	}
	return len(quiet)
}

// startsSlowly reports whether a backend has yet to come to its full share.
func (r *rebalancer) startsSlowly() bool {
	return slices.ContainsFunc(r.pool.Snapshot().Backends,
		func(b pool.BackendSnapshot) bool { return b.State == pool.Up && !b.Draining && b.Share < 1 })
}
