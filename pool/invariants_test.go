package pool

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"forebay/l4/l4test"
)

// Whatever happens, in any order, to a pool of any policy: what it counts is what there is, and nobody waits for room
// that is there.
func TestPoolInvariants(t *testing.T) {
	for _, policy := range Policies() {
		t.Run(policy.String(), func(t *testing.T) {
			l4test.Bubble(t, func(t *testing.T) {
				for seed := range uint64(5) {
					newWorld(t, policy, seed).run(400)
				}
			})
		})
	}
}

// A world is a pool and all that goes on around it.
type world struct {
	*rand.Rand
	t       *testing.T
	pool    *Pool
	leases  []Lease
	waiters []*Waiter

	granting sync.Mutex
}

func newWorld(t *testing.T, policy Policy, seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 11)), t: t}
	o := Options{Policy: policy, Queue: 5, LoadFactor: 1, SlowStart: 10 * time.Second, Ejection: Ejection{After: 1 + w.IntN(3)},
		Checks: w.IntN(2) == 0, Initial: []State{Up, Down}[w.IntN(2)]}
	switch w.IntN(4) {
	case 0:
		o.WhenAllDown = RefuseDown
	case 1:
		o.Panic = w.Float64()
	case 2:
		o.Ejection = Ejection{Share: 0.5, Hold: time.Second}
	}
	w.pool = newPool(t, o, w.backends())
	return w
}

// backends returns some of six, with limits and weights that differ from time to time.
func (w *world) backends() []Config {
	all := equal(6)
	w.Shuffle(6, func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = all[:w.IntN(7)]
	for i := range all {
		all[i].MaxConns, all[i].Weight, all[i].Backup = w.IntN(4), Weight(1+w.IntN(3)), w.IntN(3) == 0
	}
	return all
}

func (w *world) run(steps int) {
	for range steps {
		switch n := w.IntN(100); {
		case n < 40:
			w.arrive()
		case n < 50:
			w.connect()
		case n < 90:
			w.end()
		case n < 91 && len(w.waiters) > 0:
			w.pool.Leave(w.waiters[w.IntN(len(w.waiters))])
		case n < 94:
			w.speak()
		case n < 95:
			time.Sleep(time.Duration(w.Int64N(int64(10 * time.Second))))
			synctest.Wait()
		case n >= 95:
			update(w.t, w.pool, w.backends())
		}
		w.check()
	}
}

func (w *world) arrive() {
	r := &Request{Source: client(w.IntN(50))}
	for _, m := range *w.pool.members.Load() {
		if w.IntN(4) == 0 {
			r.Tried = append(r.Tried, m.Backend)
		}
	}
	lease, err := w.pool.Pick(r)
	if err == nil {
		w.leases = append(w.leases, lease)
		return
	}
	if !errors.Is(err, ErrFull) {
		return
	}
	waiter, err := w.pool.Wait(r, func(l Lease) {
		w.granting.Lock() // two holds may end at once
		defer w.granting.Unlock()
		w.leases = append(w.leases, l)
	})
	if err == nil {
		w.waiters = append(w.waiters, waiter)
	}
}

// speak has a witness or the operator say something about a backend.
func (w *world) speak() {
	all := w.pool.Backends()
	if len(all) == 0 {
		return
	}
	b := all[w.IntN(len(all))]
	switch w.IntN(6) {
	case 5:
		b.Crowd(w.IntN(2) == 0, Evidence{Witness: Listener})
	case 0:
		b.Judge(Down, Evidence{Witness: Check})
	case 1, 2:
		b.Judge(Up, Evidence{Witness: Check})
		b.Readmit(Evidence{Witness: Check})
	case 3:
		b.Drain()
	case 4:
		b.Resume()
	}
}

// connect has a session be connected, whether it was before or not.
func (w *world) connect() {
	if len(w.leases) == 0 {
		return
	}
	i := w.IntN(len(w.leases))
	lease := w.leases[i]
	lease.Connected(1000) // may bring others leases
	w.leases[i] = lease
}

func (w *world) end() {
	if len(w.leases) == 0 {
		return
	}
	i := w.IntN(len(w.leases))
	lease := w.leases[i]
	w.leases = slices.Delete(w.leases, i, i+1)
	if w.IntN(2) == 0 {
		lease.Connected(1000)
	}
	lease.Done(Outcome(w.IntN(int(outcomeCount))))
}

func (w *world) check() {
	w.t.Helper()
	w.pool.mu.Lock() // timers work in the background
	defer w.pool.mu.Unlock()
	active := make(map[*Backend]int)
	for _, l := range w.leases {
		active[l.Backend()]++
	}
	want := make(map[*tier]tier)
	for _, m := range *w.pool.members.Load() {
		if m.sessions() != active[m.Backend] {
			w.t.Fatalf("%s counts %d sessions and has %d", m, m.sessions(), active[m.Backend])
		}
		if m.ranked != (m.serving && m.room()) {
			w.t.Fatalf("%s: ranked %v, serving %v, room %v", m, m.ranked, m.serving, m.room())
		}
		if m.removed && m.sessions() == 0 {
			w.t.Fatalf("%s was removed, has no session, and is there", m)
		}
		w.checkStanding(m.Backend)
		if m.tier != nil {
			want[m.tier] = with(want[m.tier], m.Backend)
		}
		delete(active, m.Backend)
	}
	if len(active) > 0 {
		w.t.Fatalf("backends with sessions were forgotten: %v", active)
	}
	for _, tier := range []*tier{&w.pool.primary, &w.pool.backup} {
		got := *tier
		got.ranking, got.trials = nil, list[*Backend]{}
		if got != want[tier] {
			w.t.Fatalf("a tier counts %+v and has %+v", got, want[tier])
		}
	}
	w.checkCensus()
	w.checkQueue()
}

// with returns t with b counted in.
func with(t tier, b *Backend) tier {
	t.backends++
	if b.serving {
		t.serving++
		t.weight += b.weight
		t.active += b.sessions()
	}
	if b.ranked {
		t.open++
	}
	return t
}

// checkStanding compares what b may do with what is known about it.
func (w *world) checkStanding(b *Backend) {
	w.t.Helper()
	if b.standing != b.standingNow() || b.State() != b.judged() {
		w.t.Fatalf("%s: standing %v, state %v, and it should be %v, %v", b, b.standing, b.State(), b.standingNow(), b.judged())
	}
	if b.serving != (b.tier != nil && b.standing <= w.pool.gate) {
		w.t.Fatalf("%s: serves %v with standing %v at gate %v", b, b.serving, b.standing, w.pool.gate)
	}
	if b.hold != nil && b.hold.place.linked && b.standing != standingEjected {
		w.t.Fatalf("%s is to be tried with standing %v", b, b.standing)
	}
	tried := slices.ContainsFunc(w.leases, func(l Lease) bool { return l.Backend() == b && l.trial })
	if b.standing == standingEjected && !w.pool.options.Checks && b.onTrial() && !b.hold.place.linked && !tried {
		w.t.Fatalf("%s was forgotten: its hold is over, and no session tries it or will", b)
	}
	if b.ranked && w.pool.options.Policy == LeastTime && b.cost != b.connectCost() {
		w.t.Fatalf("%s is ranked at a cost of %v, and it is %v", b, b.cost, b.connectCost())
	}
	if b.held.linked != (b.standing == standingEjected) {
		w.t.Fatalf("%s is among those ejected: %v, with standing %v", b, b.held.linked, b.standing)
	}
	if b.share > b.weight*rampSteps || b.ramp == nil && b.tier != nil && b.share != b.weight*rampSteps {
		w.t.Fatalf("%s counts %d for weight %d", b, b.share, b.weight)
	}
}

// checkCensus counts anew who is how.
func (w *world) checkCensus() {
	w.t.Helper()
	want := census{standingRemoved: w.pool.census[standingRemoved]}
	for _, b := range w.pool.Backends() {
		if b.tier != nil {
			want[b.standing]++
		}
	}
	if w.pool.held.length != want[standingEjected] {
		w.t.Fatalf("%d backends are held to be ejected, and %d are", w.pool.held.length, want[standingEjected])
	}
	if w.pool.census != want || want.configured() > 0 && w.pool.gate != w.pool.gateNow() {
		w.t.Fatalf("the census says %v at gate %v, and is %v, %v", w.pool.census, w.pool.gate, want, w.pool.gateNow())
	}
}

func (w *world) checkQueue() {
	w.t.Helper()
	n, retrying := 0, 0
	for place := w.pool.queue.head; place != nil; place = place.next {
		n++
		if len(place.of.request.Tried) > 0 {
			retrying++
		}
		if lease, err := w.pool.pickLocked(&place.of.request); err == nil {
			w.t.Fatalf("a client waits though %s has room for it", lease.Backend())
		}
	}
	if retrying != w.pool.retrying {
		w.t.Fatalf("%d in the queue count as having tried a backend, and %d have", w.pool.retrying, retrying)
	}
	if n != w.pool.queue.length || n != w.pool.Snapshot().Waiting {
		w.t.Fatalf("the queue counts %d and has %d", w.pool.queue.length, n)
	}
}
