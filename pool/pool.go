// Package pool knows the backends: which exist, how many sessions each has, and which one the next session goes to.
//
// A Pool holds Backends and a Policy. Pick gives a session a Lease on one of them. The backend then counts one more
// active session, until Lease.Done ends the lease with its Outcome. Nothing else lowers that count, and nothing else
// reports outcomes.
//
// The policy ranks only the backends that may take a session now. A backend that is full (it has MaxConns sessions),
// down, ejected or draining leaves the ranking, and comes back when that is over. So a pick never searches: it costs
// O(log n) at most and allocates nothing.
//
// Three kinds of state are kept apart. The configuration says that a backend exists (Update). The operator says that it
// drains (Drain, Resume). Witnesses find it up or down (State): checks and the kernel by Judge, traffic by the outcomes
// of sessions (see Ejection). While no backend is up, all are tried or none (Options.WhenAllDown). A backend that comes
// back may start slowly (Options.SlowStart).
//
// There are two tiers of backends: the primary ones and the backups. Backups serve a request only when no primary can:
// none is configured and up, or the request has tried them all. Where the primaries are merely full, the client waits
// for them in the queue (see Wait) and the backups stay idle: they are for failures, not for busy hours. Where nobody
// may wait (Options.Queue is 0), backups take what the primaries have no room for.
//
// Clients that wait are served in the order in which they came. Whenever a backend gets room, the first client that it
// may serve has its lease before the lock is released. So no later Pick overtakes, and a Pick finds only room that no
// waiter could use.
//
// One small mutex guards the ranking; it is never held across a callback. Names, addresses, states and counters are
// read without it.
//
// Update replaces the configuration. A backend whose name and addresses are those of a present one is that one: its
// counters, sessions and state stay, and it drains if it did. One that is gone gets no more sessions, and is forgotten
// when its last session has ended.
package pool

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The errors of Pick and Wait.
var (
	ErrNone      = errors.New("no backend may serve this session") // there is none, or every one was tried
	ErrFull      = errors.New("every backend that may serve this session is full")
	ErrQueueFull = errors.New("the queue for a backend is full")
)

// Options say how a Pool picks. The zero Options are round-robin without a queue.
type Options struct {
	Policy Policy
	Queue  int // how many clients may wait while all backends are full; 0: none

	// LoadFactor bounds the active sessions that the source policy gives one backend: so many times its fair share by
	// weight, and never less than 64 sessions, so that a few clients stay where they belong. It is 1 or more; 1.25 is
	// usual (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016). 0: no bound.
	LoadFactor float64

	Ejection    Ejection      // when failing sessions take their backend out of use
	Checks      bool          // whether checks end ejections (Backend.Readmit); else a session tries an ejected backend
	WhenAllDown WhenAllDown   // what happens to sessions while no backend is up
	Panic       float64       // below this share of backends that are up, all serve as if they were up; 0: never
	SlowStart   time.Duration // how long a backend that recovers or joins takes to come to its full share; 0: none
	Initial     State         // Up, or Down: then no session tries a backend before a witness has spoken about it
}

// A Pool is a set of backends and the policy that picks among them. Make it with New. Any number of goroutines may use
// it at once.
type Pool struct {
	options Options
	members atomic.Pointer[[]member] // the configured in order, then the removed with sessions; replaced, never edited
	counts  queueCounts

	booted   bool       // guarded by updating: New is done, so that a backend that comes now joins others that serve
	updating sync.Mutex // held by Update alone, for as long as it takes; mu is held only to put its result in place

	mu       sync.Mutex // guards the fields below, and those of Backend that say so
	primary  tier
	backup   tier
	queue    list[*Waiter]
	retrying int    // of those in the queue, how many have had a backend already
	granted  grants // by the critical section that runs now
	census   census
	gate     standing       // the worst that serves
	lit      time.Time      // when the last time without any backend up ended
	held     list[*Backend] // the ejected backends; one that was picked as a last resort goes to the end
	past     experience

	changed chan struct{} // closed when members is replaced, or one drains no more

	watchers   []func(*Backend, Transition)
	news       []news // for the watchers, not told yet
	publishing bool   // a goroutine is telling them

	jitter func() float64 // a random number from 0 to 1
}

// New returns a Pool of backends. The error names every fault in o, or if o has none, in backends. A Pool without
// backends is right: Pick then fails with ErrNone until an Update brings some.
func New(o Options, backends []Config) (*Pool, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	p := &Pool{options: o, jitter: rand.Float64, changed: make(chan struct{})}
	p.members.Store(new([]member))
	p.primary.ranking = newRanking(o, &p.primary)
	p.backup.ranking = newRanking(o, &p.backup)
	if err := p.Update(backends); err != nil {
		return nil, err
	}
	p.booted = true
	return p, nil
}

// A Request is what the pool may know about the session that a backend is picked for.
type Request struct {
	Source netip.Addr // the client's address, for the source policy and to tell clients apart; zero where it has none
	Tried  []*Backend // backends of this pool that must not be picked again
}

// tried reports whether r has had b already. The list is short: a search is quicker than a set.
func (r *Request) tried(b *Backend) bool { return slices.Contains(r.Tried, b) }

// Pick chooses a backend for r and counts the session on it. The caller ends the lease with Done. The error is ErrNone
// where no backend is left for r, and ErrFull where those that are left are full: then Wait. Pick allocates nothing,
// but r escapes: keep it in the session.
func (p *Pool) Pick(r *Request) (Lease, error) {
	defer Corrupting()
	p.mu.Lock()
	lease, err := p.pickLocked(r)
	p.mu.Unlock()
	return lease, err
}

func (p *Pool) pickLocked(r *Request) (Lease, error) {
	lease, err := p.pickServingLocked(r)
	if err == ErrNone && p.held.head != nil {
		lease, err = p.lastResortLocked(r)
	}
	lease.origin = originOf(r.Source)
	return lease, err
}

func (p *Pool) pickServingLocked(r *Request) (Lease, error) {
	if b := p.primary.pick(r); b != nil {
		return p.primary.lease(b), nil
	}
	full := p.primary.untried(r) > 0
	if full && p.options.Queue > 0 {
		return Lease{}, ErrFull
	}
	if b := p.backup.pick(r); b != nil {
		return p.backup.lease(b), nil
	}
	if full || p.backup.untried(r) > 0 {
		return Lease{}, ErrFull
	}
	return Lease{}, ErrNone
}
