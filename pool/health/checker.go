package health

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"forebay/pool"
)

// Initial says which state a backend has until checks have found it out.
type Initial uint8

// The choices. InitialDown goes with a pool whose Options.Initial is pool.Down.
const (
	InitialCheck Initial = iota // up, and the first check decides
	InitialUp                   // up, and Fall checks must fail as at any other time
	// InitialDown is down, and Rise checks must pass. Until Fall have failed, no session tries the backend, even if all
	// others are down.
	InitialDown
)

var initialNames = []string{InitialCheck: "check", InitialUp: "up", InitialDown: "down"}

// String returns the choice as the operator writes it.
func (i Initial) String() string {
	if int(i) < len(initialNames) {
		return initialNames[i]
	}
	return fmt.Sprintf("initial(%d)", uint8(i))
}

// MarshalText returns what String returns.
func (i Initial) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what String writes.
func (i *Initial) UnmarshalText(text []byte) error {
	for known, name := range initialNames {
		if string(text) == name {
			*i = Initial(known)
			return nil
		}
	}
	return fmt.Errorf("%q is none of check, up and down", text)
}

// A Checker checks the backends of a pool, each at its own pace, and tells the pool what it finds. Its fields are its
// configuration, which must not change while it runs. NewChecker sets what a careful operator would choose.
//
// A backend is checked every Interval. Where a result contradicts the backend's state, or a session failed, the next
// checks follow after a quarter of Interval each, until the state is certain. With a Fall of 3, a server that dies is
// found within one and a half Intervals, and sooner under traffic. Where many sessions in a row had no answer, a single
// check decides whether the backend is ejected for that (Backend.Suspected). A backend that is down is checked after
// Interval, then after twice and from then on after four times that.
type Checker struct {
	Pool  *pool.Pool
	Probe Probe
	// Doubting takes the place of Probe while the pool suspects the backend because sessions had no answer. nil: Probe.
	Doubting Probe
	Interval time.Duration // from the beginning of one check to that of the next; up to a tenth more or less by chance
	Timeout  time.Duration // of one check
	Rise     int           // checks that must pass in a row for a backend to be up again; 1 or more
	Fall     int           // checks that must fail in a row for it to be down; 1 or more
	Initial  Initial

	// Enough is how many sessions with a first byte replace a check that passed, if none has failed since the last
	// check. 0: none do, which is right where the check asks for more than an answer.
	Enough int

	// Listeners finds out what a check by TCP would, for backends on this machine. Where Enough is above 0, these are
	// then not checked over TCP. nil: all are checked.
	Listeners *Listeners

	chance func() float64 // from 0 to 1; nil: rand.Float64
}

// NewChecker returns a Checker of p's backends by probe. It checks every 2 s. A check takes 2 s at most, so that a lost
// SYN can be sent again (RFC 6298, section 2). A backend is down at the third failure in a row, and up at the second
// success.
func NewChecker(p *pool.Pool, probe Probe) *Checker {
	return &Checker{Pool: p, Probe: probe, Interval: 2 * time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3}
}

// Validate returns every fault of c, joined.
func (c *Checker) Validate() error {
	var faults []error
	if c.Interval <= 0 {
		faults = append(faults, fmt.Errorf("checks every %v: a positive time is right", c.Interval))
	}
	if c.Timeout <= 0 {
		faults = append(faults, fmt.Errorf("checks that take up to %v: a positive time is right", c.Timeout))
	}
	if c.Rise < 1 {
		faults = append(faults, fmt.Errorf("up after %d checks: 1 or more is right", c.Rise))
	}
	if c.Fall < 1 {
		faults = append(faults, fmt.Errorf("down after %d checks: 1 or more is right", c.Fall))
	}
	if c.Enough < 0 {
		faults = append(faults,
			fmt.Errorf("%d sessions in place of a check: 1 or more is right, or 0 for none", c.Enough))
	}
	return errors.Join(faults...)
}

// Run checks until ctx is done, and returns when the last check has ended. All backends are checked at once in the
// beginning, and later ones as soon as they join. Removed backends are checked as long as they have sessions.
func (c *Checker) Run(ctx context.Context) {
	var under sync.WaitGroup
	defer under.Wait()
	courses := make(map[*pool.Backend]context.CancelFunc)
	for {
		changed := c.Pool.Changed()
		backends := c.Pool.Backends()
		c.endOthers(courses, backends)
		for _, b := range backends {
			if courses[b] == nil {
				under.Go(c.begin(ctx, courses, b))
			}
		}
		select {
		case <-ctx.Done():
			c.endOthers(courses, nil)
			return
		case <-changed:
		}
	}
}

// begin enters a course of checks of b, and returns the function that runs it.
func (c *Checker) begin(ctx context.Context, courses map[*pool.Backend]context.CancelFunc, b *pool.Backend) func() {
	ctx, cancel := context.WithCancel(ctx)
	courses[b] = cancel
	return func() { newCourse(c, b).run(ctx) }
}

// endOthers ends the courses of all but those that stay.
func (c *Checker) endOthers(courses map[*pool.Backend]context.CancelFunc, stay []*pool.Backend) {
	staying := make(map[*pool.Backend]bool, len(stay))
	for _, b := range stay {
		staying[b] = true
	}
	for b, cancel := range courses {
		if !staying[b] {
			cancel()
			delete(courses, b)
		}
	}
}

// jitter returns d, up to a tenth more or less by chance, so that the checks of many backends and many balancers spread
// over time.
func (c *Checker) jitter(d time.Duration) time.Duration {
	chance := c.chance
	if chance == nil {
		chance = rand.Float64
	}
	return time.Duration(float64(d) * (0.9 + 0.2*chance()))
}

// Proven reports whether a session with an answer proves all that c asks for. Only tcp without a place of its own is
// such a check. See Checker.Enough.
func (c Check) Proven() bool { return c.kind == onTCP && c.at == place{} }
