// Package pool knows the backends: which exist, how much each carries, and which one the next session goes to.
//
// A Pool holds Backends and a Policy. Pick gives a session a Lease on one of them: the backend counts one more active
// session until Lease.Done ends the claim and says what came of it. Nothing else lowers that count, and nothing else
// reports traffic's opinion.
//
// The policy ranks only the backends that may take a session now. A backend that is full (as many sessions as its
// MaxConns), down, ejected or draining leaves the ranking and comes back when that is over, so that a pick never
// searches: it costs O(log n) at most, with a thousand backends as with four, and allocates nothing.
//
// Three kinds of state never mix. The configuration says that a backend exists (Update). The operator says that it
// drains (Drain, Resume). And witnesses find it up or down (State): checks and the kernel by Judge, traffic by the
// outcomes of sessions (see Ejection). While no backend is up, all are tried or none (Options.WhenAllDown); a backend
// that comes back may do so slowly (Options.SlowStart).
//
// Backends stand in two tiers. Backups serve a request only when no other backend is there for it: none is configured
// and up, or it has tried them all. Backends that are merely full are there: the client waits for them in the queue
// (see Wait) and the backups stay idle, so that a backup carries the load of failures, not of busy hours. Where nobody
// may wait (Options.Queue is 0), backups do take what does not fit.
//
// Clients that wait are served in the order they came. Whenever a backend gets room, the first of them that it may
// serve has its lease before the lock is given back; so no later Pick can overtake, and whatever room a Pick finds is
// room no waiter could use.
//
// One small mutex guards the ranking; it is never held across a callback. Names, addresses, states and counters are
// read without it.
//
// Update replaces the configuration. A backend with the name and addresses of one that is there is that one: its
// counters, its sessions, its state and the operator's word stay. One that is gone gets no more sessions, and is
// forgotten with its last one.
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

	// LoadFactor bounds what the source policy puts on one backend: so many times its fair share of the active
	// sessions, by weight, and never less than 64 sessions, so that a handful of clients stay where they belong. It is
	// 1 or more; 1.25 is a usual choice (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads",
	// 2016). 0: no bound.
	LoadFactor float64

	Ejection    Ejection      // when failing sessions take their backend out of use
	Checks      bool          // whether checks tell when an ejected backend is well (Backend.Readmit); else a session tries it
	WhenAllDown WhenAllDown   // what becomes of sessions while no backend is up
	Panic       float64       // below this share of backends that are up, all serve as if they were up; 0: never
	SlowStart   time.Duration // how long a backend that recovers or joins takes to come to its full share; 0: none
	Initial     State         // Up, or Down: then a backend is not even tried before a witness has spoken about it
}

// A Pool is a set of backends and the policy that picks among them. Make it with New. It may be used by any number of
// goroutines.
type Pool struct {
	options Options
	members atomic.Pointer[[]member] // those configured, in their order, then those that drain; replaced, never edited
	counts  queueCounts

	booted   bool       // guarded by updating: backends that come now join those that serve
	updating sync.Mutex // held by Update alone, for as long as it takes; mu is held only to put its result in place

	mu       sync.Mutex // guards the rest, and what Backend says it guards
	primary  tier
	backup   tier
	queue    list[*Waiter]
	retrying int    // of those in the queue, how many have had a backend already
	granted  grants // by the critical section that goes on
	census   census
	gate     standing       // the worst that serves
	lit      time.Time      // when one was up again after none was
	held     list[*Backend] // those ejected, the one that a session last resorted to at the end
	past     experience

	changed chan struct{} // closed when members is replaced, or one drains no more

	watchers   []func(*Backend, Transition)
	news       []news // for them, yet to be told
	publishing bool   // a goroutine is telling them

	jitter func() float64 // by chance, from 0 to 1
}

// New returns a Pool of backends. The error names every fault in o and backends. No backends at all is no fault: Pick
// then fails with ErrNone until an Update brings some.
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
	Source netip.Addr // the client's address: for the source policy, and to tell clients apart; the zero Addr where it has none
	Tried  []*Backend // of the same pool, not to be picked again
}

// tried reports whether r has had b already. It is a short list, so a search is quicker than a set.
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
