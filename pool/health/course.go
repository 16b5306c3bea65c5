package health

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"forebay/pool"
)

const (
	// hurry is how many times as often a backend is checked while its state is in doubt. It is also the most checks per
	// interval that sessions can cause.
	hurry = 4
	// leisure is how many times Interval the longest wait is while a backend is down.
	leisure = 4
	// beat is what the beginnings of checks are rounded up to, so that the process wakes up once for several backends.
	// With a thousand backends, checks cost a third less for it.
	beat = 25 * time.Millisecond
)

// A verdict is what checks have found a backend to be.
type verdict uint8

const (
	unknown verdict = iota
	well
	ill
)

// A course is the checks of one backend. It has a goroutine of its own.
type course struct {
	*Checker
	backend *pool.Backend
	targets []Target // its addresses
	verdict verdict
	found   verdict       // the last result
	inARow  int           // how often found came in a row
	wait    time.Duration // until the next check, while it is down
	open    bool          // something listened there at the last look while it was down

	answered, failed uint64    // the backend's traffic when a check was last due
	last             time.Time // when the last check began
}

func newCourse(c *Checker, b *pool.Backend) *course {
	r := &course{Checker: c, backend: b, wait: c.Interval}
	for _, a := range b.Addrs() {
		r.targets = append(r.targets, targetOf(b, a))
	}
	if c.Initial == InitialUp {
		r.verdict = well
	}
	return r
}

// run checks until ctx is done.
func (c *course) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	doubted, changed, opened := c.backend.Doubted(), (<-chan struct{})(nil), (<-chan struct{})(nil)
	for {
		select {
		case <-ctx.Done():
			return
		case <-doubted:
			doubted = nil // until the check, another value says nothing new
			timer.Reset(c.hurried())
			continue
		case <-opened:
			opened = c.Listeners.Changed()
			if was := c.open; c.opens() && !was {
				c.wait = c.Interval
				timer.Reset(c.hurried())
			}
			continue
		case <-changed:
		case <-timer.C:
		}
		if changed = c.Listeners.Changed(); c.known() {
			c.last = time.Now()
		} else {
			c.check(ctx)
			changed = nil
		}
		if opened = nil; c.verdict == ill {
			opened = c.Listeners.Changed()
			c.opens()
		}
		doubted = c.backend.Doubted()
		if changed == nil || !c.told() {
			timer.Reset(onBeat(time.Until(c.last.Add(c.next()))))
		}
	}
}

// onBeat returns how long to wait for the first beat that is at least wait away. Beats are times of the wall clock; one
// that is set back makes no wait longer.
func onBeat(wait time.Duration) time.Duration {
	now := time.Now()
	return now.Add(wait + beat - 1).Truncate(beat).Sub(now.Round(0))
}

// hurried returns how long to wait for a check that is wanted at once: 0 or less, unless the last one was a short time
// ago.
func (c *course) hurried() time.Duration { return time.Until(c.last.Add(c.Interval / hurry)) }

// next returns the time from the beginning of the last check to that of the next.
func (c *course) next() time.Duration {
	switch {
	case c.found != c.verdict:
		return c.jitter(c.Interval / hurry)
	case c.verdict == ill:
		wait := c.wait
		c.wait = min(2*wait, leisure*c.Interval)
		return c.jitter(wait)
	}
	return c.jitter(c.Interval)
}

// known reports whether all that a check could find out is known already: from the sessions since the last check, or
// from the kernel that has the backend's socket. Where the kernel says that nothing listens any more, that is enough,
// and no check is needed.
func (c *course) known() bool {
	answered, failed := c.backend.Traffic()
	unfailing, enough := failed == c.failed, answered-c.answered >= uint64(c.Enough)
	c.answered, c.failed = answered, failed
	if c.Enough == 0 || c.verdict != well || c.found != well {
		return false
	}
	if c.Listeners.Listening(c.backend) == Gone {
		return true
	}
	return unfailing && c.backend.State() == pool.Up && (enough || c.told())
}

// told reports whether the kernel tells of the backend's socket. Then there is nothing to do until the kernel or
// traffic says something else.
func (c *course) told() bool {
	found := c.Listeners.Listening(c.backend)
	return found == Open || found == Gone
}

// opens notes whether something listens at the backend's address by what the kernel says, and returns it.
func (c *course) opens() bool {
	c.open = c.Listeners.Listening(c.backend) == Open
	return c.open
}

// check asks the backend once and acts on the result.
func (c *course) check(ctx context.Context) {
	c.last = time.Now()
	select {
	case <-c.backend.Doubted(): // this check answers the doubt
	default:
	}
	suspected := c.backend.Suspected()
	r := c.ask(ctx, c.probe(suspected))
	if ctx.Err() != nil || OurOwn(r.Err) {
		return // it says nothing about the backend
	}
	found := well
	if r.Err != nil {
		found = ill
	}
	if found != c.found {
		c.found, c.inARow = found, 0
	}
	if c.inARow++; found != c.verdict && c.inARow >= c.needed(found) {
		c.settle(found, r)
	}
	if suspected {
		c.decide(found, r)
	}
	if found == well && c.backend.State() == pool.Ejected {
		c.backend.Readmit(evidence("a check passed after the hold", r))
	}
}

// probe returns the Probe to use.
func (c *course) probe(suspected bool) Probe {
	if suspected && c.Doubting != nil {
		return c.Doubting
	}
	return c.Probe
}

// decide tells the pool whether its suspicion was right.
func (c *course) decide(found verdict, r Result) {
	if found == well {
		c.backend.Acquit()
	} else {
		c.backend.Convict(evidence(fmt.Sprintf("a check failed: %v", r.Err), r))
	}
}

// ask probes the addresses of the backend, the one that sessions begin with first, until one is well.
func (c *course) ask(ctx context.Context, probe Probe) Result {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	first := c.backend.Preferred()
	var r Result
	for i := range c.targets {
		r = probe.Probe(ctx, c.targets[(first+i)%len(c.targets)])
		if r.Err == nil || ctx.Err() != nil {
			break
		}
	}
	return r
}

// needed returns how many results in a row make the verdict v.
func (c *course) needed(v verdict) int {
	switch {
	case c.verdict == unknown && c.Initial == InitialCheck:
		return 1
	case v == ill && c.Listeners.Listening(c.backend) == Gone:
		return 1 // the kernel has said so, too; and what listens there next must pass a check before it is used
	case v == ill:
		return c.Fall
	case c.Enough > 0 && c.Listeners.Listening(c.backend) == Open:
		return 1 // as above: the check asks for no more than the kernel has said
	}
	return c.Rise
}

// settle makes v the verdict. r is the result that decided it.
func (c *course) settle(v verdict, r Result) {
	state, reason := pool.Up, c.passed()
	if v == ill {
		state, reason = pool.Down, c.fell(r)
	}
	c.verdict, c.wait = v, c.Interval
	c.backend.Judge(state, evidence(reason, r))
}

func (c *course) passed() string {
	if c.inARow == 1 {
		return "a check passed"
	}
	return fmt.Sprintf("%d checks in a row passed", c.inARow)
}

func (c *course) fell(r Result) string {
	if c.inARow == 1 {
		return fmt.Sprintf("a check failed: %v", r.Err)
	}
	return fmt.Sprintf("%d checks in a row failed, the last: %v", c.inARow, r.Err)
}

func evidence(reason string, r Result) pool.Evidence {
	return pool.Evidence{Witness: pool.Check, Reason: reason, Took: r.Took, Transcript: r.Transcript}
}

// targetOf returns the Target for b at the address a.
func targetOf(b *pool.Backend, a pool.Address) Target {
	if a.IsUNIX() {
		return Target{Network: "unix", Address: a.Path()}
	}
	return Target{Network: "tcp", Address: a.String(), Name: hostOf(b.Name())}
}

// hostOf returns the host in a backend's name, "" where that is an address.
func hostOf(name string) string {
	name, _, _ = strings.Cut(name, "(") // the rest, from "(" on, tells the addresses of one host apart
	host, _, err := net.SplitHostPort(name)
	if _, isAddress := netip.ParseAddr(host); err != nil || isAddress == nil {
		return ""
	}
	return host
}
