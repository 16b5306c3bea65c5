package pool

import (
	"sync/atomic"
	"time"
)

// A Config is one backend as configured, its name resolved.
type Config struct {
	Name     string    // what logs and metrics call it, unique in its pool
	Addrs    []Address // where it is reached; of several, one try takes one after the other, in order
	Weight   Weight    // its share next to the others; 0 means 1
	MaxConns int       // the most sessions it may have; 0: no limit
	Backup   bool      // whether it serves only when no other can
}

// A Backend is a live member of a Pool. Its counters belong to the object, so that they outlive changes of the
// configuration. A pointer to it is its identity.
type Backend struct {
	name  string
	addrs []Address
	pool  *Pool

	// Guarded by the pool's mutex. The fields that every pick uses come first.
	tier     *tier // nil once it is removed from the configuration
	at       int   // its place in a heap
	share    int   // what it counts for: its weight times rampSteps, or less while it starts slowly
	ramp     *ramp // nil unless it starts slowly
	maxConns int   // 0: no limit
	serving  bool  // its standing passes the gate, so that it may take sessions
	ranked   bool  // the tier's ranking holds it: it serves and has room
	failing  bool  // the last that is known of it is that connecting failed
	standing standing
	turn     turn
	weight   int
	index    int     // its place in the configuration, among the backends of its tier
	cost     float64 // what leastTime compares
	recent   node[*Backend]
	held     node[*Backend]
	health

	// Written with the pool's mutex held, read without.
	active    atomic.Int64
	picks     atomic.Uint64
	outcomes  [outcomeCount]atomic.Uint64
	connect   smoothed
	firstByte smoothed
	answered  atomic.Uint64 // sessions that had a first byte
	state     atomic.Uint32 // a State
	history   atomic.Pointer[[]Transition]
	draining  atomic.Bool  // the operator has it drain
	step      atomic.Int32 // how many of the rampSteps its share has

	// Written by anybody.
	preferred atomic.Int32
	doubted   chan struct{}
}

// Picks returns how many sessions b has ever been picked for.
func (b *Backend) Picks() uint64 { return b.picks.Load() }

// Name returns the backend's name. It never changes.
func (b *Backend) Name() string { return b.name }

// Addrs returns where the backend is reached, one address or more. They never change; the caller must not change them
// either.
func (b *Backend) Addrs() []Address { return b.addrs }

// Prefer notes that Addrs()[i] answered last. The next session begins with it.
func (b *Backend) Prefer(i int) {
	if b.preferred.Load() != int32(i) { // a store each time would take the cache line from the other loops
		b.preferred.Store(int32(i))
	}
}

// Preferred returns the index last given to Prefer, at first 0.
func (b *Backend) Preferred() int { return int(b.preferred.Load()) }

// String returns the name.
func (b *Backend) String() string { return b.name }

// Traffic returns how many of b's sessions ever had a first byte, and how many failed. A check need not test what they
// show.
func (b *Backend) Traffic() (answered, failed uint64) {
	for o := range outcomeCount {
		if o.Failed() {
			failed += b.outcomes[o].Load()
		}
	}
	return b.answered.Load(), failed
}

// Active returns how many sessions b has now. Those that are connecting count.
func (b *Backend) Active() int { return b.sessions() }

// sessions returns how many sessions b has now.
func (b *Backend) sessions() int { return int(b.active.Load()) }

// room reports whether b may take one more session.
func (b *Backend) room() bool { return b.maxConns == 0 || b.sessions() < b.maxConns }

// lighter reports whether b has fewer sessions for its share than c. It multiplies across, so that it is exact.
func (b *Backend) lighter(c *Backend) bool { return b.sessions()*c.share < c.sessions()*b.share }

// evenWith reports whether b and c have equally many sessions for their share.
func (b *Backend) evenWith(c *Backend) bool { return b.sessions()*c.share == c.sessions()*b.share }

// dueBefore reports whether b's turn is before c's. Where both are due together, the order of the configuration
// decides.
func (b *Backend) dueBefore(c *Backend) bool {
	return b.turn.before(c.turn) || !c.turn.before(b.turn) && b.index < c.index
}

// smoothing gives the share of each new measurement in a smoothed time: 1/8, as in TCP's round trip time (RFC 6298,
// section 2). Half of the value then comes from the last five measurements.
const smoothing = 8

// smoothed is an exponentially weighted mean of durations. The zero value has no measurement.
type smoothed struct{ mean atomic.Int64 }

// add counts one more measurement. Its callers hold the pool's mutex.
func (s *smoothed) add(took time.Duration) {
	took = max(took, 1) // 0 means none
	mean := s.mean.Load()
	if mean == 0 {
		s.mean.Store(int64(took))
		return
	}
	s.mean.Store(max(mean+(int64(took)-mean)/smoothing, 1))
}

// duration returns the mean, 0 if nothing was measured yet.
func (s *smoothed) duration() time.Duration { return time.Duration(s.mean.Load()) }
