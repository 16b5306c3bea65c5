package health

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"forebay/pool"
)

// Listeners watches the sockets on which the backends of a pool listen, where these are on this machine's loopback. It
// never connects: it asks the kernel how many connections wait to be accepted (sock_diag(7), which any user may). So it
// finds a server that has gone before a client meets it. It also finds a server that is stuck while its kernel goes on
// completing handshakes: a check by TCP passes then, and clients wait.
//
// A backend is down where something has listened and nothing does any more. A backend is crowded where its queue is
// full, or nobody in it was accepted for Patience, as long as another backend's queue is empty. Where all are behind,
// no single one is at fault.
type Listeners struct {
	Pool *pool.Pool
	// Interval is the time between looks while sessions begin, a client waits or a server is down. NewListeners sets
	// 250 ms.
	Interval time.Duration
	Rest     time.Duration // the same while nothing happens, so that an idle process sleeps; NewListeners: 2 s
	Patience time.Duration // NewListeners: 3 s

	look looker // nil: the kernel

	mu      sync.Mutex
	told    map[*pool.Backend]Listening // backends that were seen to listen
	changed chan struct{}               // closed at the next change of told
}

// A looker returns the queues at places; all there are where places is nil.
type looker func(places []netip.AddrPort) (queues, error)

// Listening is what the kernel told of a backend's listening socket at the last look.
type Listening uint8

// The values of Listening.
const (
	Unseen Listening = iota // it is not watched, or nothing has listened there yet
	Open                    // something listens, and would take a connection
	Full                    // something listens, and no more clients may wait
	Gone                    // something listened there, and nothing does now
)

// Listening returns what the last look found of b. Nil Listeners return Unseen.
func (l *Listeners) Listening(b *pool.Backend) Listening {
	if l == nil {
		return Unseen
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told[b]
}

// Changed returns a channel that is closed as soon as Listening changes for any backend. Nil Listeners return nil.
func (l *Listeners) Changed() <-chan struct{} {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// note notes what the last look found of b.
func (l *Listeners) note(b *pool.Backend, found Listening) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told[b] == found {
		return
	}
	if l.told[b] = found; found == Unseen {
		delete(l.told, b)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// NewListeners returns Listeners of p's backends.
func NewListeners(p *pool.Pool) *Listeners {
	return &Listeners{Pool: p, Interval: 250 * time.Millisecond, Rest: 2 * time.Second, Patience: 3 * time.Second,
		told: make(map[*pool.Backend]Listening), changed: make(chan struct{})}
}

// A queue is the accept queue of a listening socket: how many connections wait, and how many may (listen(2)).
type queue struct{ waiting, most int }

// queues holds the listening TCP sockets of this network namespace, by address. Several at one address (SO_REUSEPORT)
// count as one. An IPv6 socket for an IPv4 address has that address mapped into IPv6.
type queues map[netip.AddrPort]queue

// allOfIPv4 is the address of IPv6 sockets that take all of IPv4.
var allOfIPv4 = netip.AddrFrom16(netip.IPv4Unspecified().As16())

// at returns the queue in which a connection to a would wait, if there is one. As in the kernel, a socket for the
// address itself comes before one for all addresses, and an IPv4 socket before an IPv6 one (inet_lhash2_lookup and
// compute_score in net/ipv4/inet_hashtables.c).
func (q queues) at(a netip.AddrPort) (queue, bool) {
	if a.Addr().Is4() {
		return q.first(a.Port(), a.Addr(), netip.AddrFrom16(a.Addr().As16()), netip.IPv4Unspecified(), allOfIPv4)
	}
	return q.first(a.Port(), a.Addr(), netip.IPv6Unspecified())
}

// first returns the queue at the first of ips that something listens at.
func (q queues) first(port uint16, ips ...netip.Addr) (queue, bool) {
	for _, ip := range ips {
		if found, ok := q[netip.AddrPortFrom(ip, port)]; ok {
			return found, true
		}
	}
	return queue{}, false
}

// lookFaults is how many looks in a row must fail before Run gives up.
const lookFaults = 5

// Run watches until ctx is done. It returns an error if the kernel does not answer. In the end it takes back whatever
// it has held against backends.
func (l *Listeners) Run(ctx context.Context) error {
	look := l.look
	if look == nil {
		k, err := openKernel()
		if err != nil {
			return err
		}
		defer k.close()
		look = k.look
	}
	return l.watch(ctx, look)
}

func (l *Listeners) watch(ctx context.Context, look looker) error {
	known := make(map[*pool.Backend]*listener)
	quiet, faults := false, lookFaults-1 // the first look must not fail
	defer l.acquitAll(known)
	for {
		changed, tick := l.Pool.Changed(), (<-chan time.Time)(nil)
		if l.follow(known) {
			var places []netip.AddrPort
			if quiet {
				places = placesOf(known) // nobody waits: all that matters is whether they are still there
			}
			switch found, err := l.find(known, look, places); {
			case err == nil:
				l.judge(known, found)
				quiet, faults = l.quiet(known), 0
			case faults+1 < lookFaults:
				faults++
			default:
				return err
			}
			tick = time.After(l.pause(quiet && !awaited(known)))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick:
		}
	}
}

// find looks at places. The kernel tells of all listening sockets in several parts, and may leave one out between two
// parts while others close. So find asks for a missing one by itself.
func (l *Listeners) find(known map[*pool.Backend]*listener, look looker, places []netip.AddrPort) (queues, error) {
	found, err := look(places)
	if err != nil || places != nil || !missing(known, found) {
		return found, err
	}
	alone, err := look(placesOf(known))
	for place, q := range alone {
		if _, ok := found[place]; !ok {
			found[place] = q
		}
	}
	return found, err
}

// missing reports whether found has nothing where something listened at the last look.
func missing(known map[*pool.Backend]*listener, found queues) bool {
	for _, k := range known {
		if _, ok := k.find(found); k.there && !ok {
			return true
		}
	}
	return false
}

// follow updates known by the backends of the pool, and reports whether any is watched.
func (l *Listeners) follow(known map[*pool.Backend]*listener) bool {
	backends := l.Pool.Backends()
	there := make(map[*pool.Backend]bool, len(backends))
	for _, b := range backends {
		there[b] = true
		if known[b] == nil && onLoopback(b) {
			known[b] = &listener{backend: b}
		}
	}
	for b := range known {
		if !there[b] {
			delete(known, b)
			l.note(b, Unseen)
		}
	}
	return len(known) > 0
}

// placesOf returns where known listen.
func placesOf(known map[*pool.Backend]*listener) []netip.AddrPort {
	places := make([]netip.AddrPort, 0, len(known))
	for b := range known {
		for _, a := range b.Addrs() {
			places = append(places, a.TCP())
		}
	}
	return places
}

// quiet reports whether no session has begun since the last call, and nobody waits.
func (l *Listeners) quiet(known map[*pool.Backend]*listener) bool {
	quiet := true
	for b, k := range known {
		if picks := b.Picks(); picks != k.picks || k.waiting > 0 {
			k.picks, quiet = picks, false
		}
	}
	return quiet
}

// awaited reports whether any backend is down with nothing listening: when its server starts, it should have sessions
// at once.
func awaited(known map[*pool.Backend]*listener) bool {
	for b, k := range known {
		if !k.there && b.State() == pool.Down {
			return true
		}
	}
	return false
}

// pause returns how long to wait for the next look.
func (l *Listeners) pause(quiet bool) time.Duration {
	if quiet {
		return together(time.Now(), l.Rest)
	}
	return l.Interval
}

// together returns how long to wait from t on, for something that is done about every interval. All that use the same
// interval, one for each route, then wake up at the same moment. So they wake the process up no more often than one of
// them would.
func together(t time.Time, interval time.Duration) time.Duration {
	return t.Add(interval).Round(interval).Sub(t.Round(0))
}

// onLoopback reports whether every address of b is on loopback.
func onLoopback(b *pool.Backend) bool {
	for _, a := range b.Addrs() {
		if !a.TCP().Addr().IsLoopback() {
			return false
		}
	}
	return true
}

// judge tells the pool what follows from one look.
func (l *Listeners) judge(known map[*pool.Backend]*listener, found queues) {
	now := time.Now()
	var idle *pool.Backend // a backend that keeps up
	for b, k := range known {
		if k.see(found, now); k.seen {
			l.note(b, k.listening())
		}
		if k.seen && !k.gone && k.waiting == 0 && b.State() == pool.Up {
			idle = b
		}
	}
	for _, k := range known {
		k.tell(l, idle, now)
	}
}

// acquitAll takes back what was held against backends: nobody watches them any more.
func (l *Listeners) acquitAll(known map[*pool.Backend]*listener) {
	e := pool.Evidence{Witness: pool.Listener, Reason: "its listening socket is not watched any more"}
	for b, k := range known {
		l.note(b, Unseen)
		if k.gone {
			b.Judge(pool.Up, e)
		}
		b.Crowd(false, e)
	}
}

// A listener is what is known of one backend's listening socket.
type listener struct {
	backend *pool.Backend
	queue
	seen    bool      // something has listened there; else a rule of the firewall may send connections elsewhere
	there   bool      // something does now
	gone    bool      // the pool was told that it is gone
	crowded bool      // the pool was told that it is crowded
	picks   uint64    // at the last look
	since   time.Time // when a queue was first seen, or last seen to shrink
}

// see updates k with the result of one look.
func (k *listener) see(found queues, now time.Time) {
	q, ok := k.find(found)
	if !ok || q.waiting == 0 || k.waiting == 0 || q.waiting < k.waiting {
		k.since = now
	}
	k.queue, k.there, k.seen = q, ok, k.seen || ok
}

// listening returns what is told of a listener that was seen.
func (k *listener) listening() Listening {
	switch {
	case !k.there:
		return Gone
	case k.full():
		return Full
	}
	return Open
}

func (k *listener) full() bool { return k.most > 0 && k.waiting >= k.most }

// find returns the queue in which the backend's next session would wait: at the address that sessions begin with, or
// where nothing listens there, at the next address that they try.
func (k *listener) find(found queues) (queue, bool) {
	addrs := k.backend.Addrs()
	for i := range addrs {
		a := addrs[(k.backend.Preferred()+i)%len(addrs)]
		if q, ok := found.at(a.TCP()); ok {
			return q, true
		}
	}
	return queue{}, false
}

// tell tells the pool what has changed. idle is a backend that keeps up, nil where none does.
func (k *listener) tell(l *Listeners, idle *pool.Backend, now time.Time) {
	if gone := k.seen && !k.there; gone != k.gone {
		k.gone = gone
		if gone {
			k.backend.Judge(pool.Down, k.evidence("nothing listens at %v any more", k.backend.Addrs()[0]))
		} else {
			k.backend.Judge(pool.Up, k.evidence("something listens at %v again", k.backend.Addrs()[0]))
		}
	}
	switch stuck := k.stuck(l, now); {
	case stuck && !k.crowded && idle != nil && idle != k.backend:
		k.crowded = k.backend.Crowd(true,
			k.evidence("%d clients wait, of %d that may, and none was accepted for %v, while %v keeps up",
				k.waiting, k.most, now.Sub(k.since).Round(time.Millisecond), idle))
	case !stuck && k.crowded:
		k.crowded = k.backend.Crowd(false, k.evidence("it accepts clients again"))
	}
}

// stuck reports whether no waiting client was accepted for Patience, or for Interval where the queue is full.
func (k *listener) stuck(l *Listeners, now time.Time) bool {
	patience := l.Patience
	if k.full() {
		patience = l.Interval
	}
	return k.waiting > 0 && now.Sub(k.since) >= patience
}

func (k *listener) evidence(format string, args ...any) pool.Evidence {
	return pool.Evidence{Witness: pool.Listener, Reason: fmt.Sprintf(format, args...)}
}
