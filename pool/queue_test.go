package pool

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// limited returns n backends with room for one session each.
func limited(n int) []Config {
	all := equal(n)
	for i := range all {
		all[i].MaxConns = 1
	}
	return all
}

// A line is the clients of a test that wait, and those that were served, by name.
type line struct {
	t      testing.TB
	pool   *Pool
	served []string
	leases map[string]Lease
}

func newLine(t testing.TB, p *Pool) *line {
	return &line{t: t, pool: p, leases: make(map[string]Lease)}
}

// wait puts a client in the queue.
func (l *line) wait(name string, tried ...*Backend) *Waiter {
	l.t.Helper()
	w, err := l.pool.Wait(&Request{Tried: tried}, func(lease Lease) {
		l.served = append(l.served, name)
		l.leases[name] = lease
	})
	if err != nil {
		l.t.Fatalf("%s: Wait: %v", name, err)
	}
	return w
}

// want fails the test unless those named have been served, in this order.
func (l *line) want(names ...string) {
	l.t.Helper()
	if !slices.Equal(l.served, names) {
		l.t.Fatalf("served: got %v, want %v", l.served, names)
	}
}

func TestQueueIsFirstComeFirstServed(t *testing.T) {
	p := newPool(t, Options{Queue: 3}, limited(1))
	lease := pick(t, p)
	line := newLine(t, p)
	line.wait("first")
	line.wait("second")
	line.wait("third")
	line.want()
	if _, err := p.Wait(&Request{}, nil); !errors.Is(err, ErrQueueFull) {
		t.Errorf("a fourth: got %v, want %v", err, ErrQueueFull)
	}
	lease.Done(Served)
	line.want("first")
	wantErr(t, p, &Request{}, ErrFull)
	for _, name := range []string{"first", "second", "third"} {
		lease := line.leases[name]
		lease.Done(Served)
	}
	line.want("first", "second", "third")
	pick(t, p)
	if s := p.Snapshot(); s.Waiting != 0 || s.Waited != 3 || s.Shed != 1 || s.Left != 0 {
		t.Errorf("got %d waiting, %d waited, %d shed, %d left, want 0, 3, 1, 0", s.Waiting, s.Waited, s.Shed, s.Left)
	}
}

func TestLeavingTheQueue(t *testing.T) {
	p := newPool(t, Options{Queue: 9}, limited(1))
	lease := pick(t, p)
	line := newLine(t, p)
	var waiters []*Waiter
	for _, name := range []string{"head", "middle", "stays", "tail"} {
		waiters = append(waiters, line.wait(name))
	}
	for _, i := range []int{1, 0, 3} {
		if !p.Leave(waiters[i]) || p.Leave(waiters[i]) {
			t.Errorf("waiter %d could not leave, or could twice", i)
		}
	}
	lease.Done(Served)
	line.want("stays")
	if p.Leave(waiters[2]) {
		t.Error("one that was served could leave")
	}
	if s := p.Snapshot(); s.Waiting != 0 || s.Left != 3 {
		t.Errorf("got %d waiting, %d left, want 0 and 3", s.Waiting, s.Left)
	}
}

// Room that the head of the queue cannot use goes to the next who can, and it is no overtaking if a new client takes it.
func TestQueuePassesOverWhoCannotBeServed(t *testing.T) {
	p := newPool(t, Options{Queue: 9}, limited(2))
	a, b := pick(t, p), pick(t, p)
	line := newLine(t, p)
	line.wait("had a", a.Backend())
	line.wait("any")
	a.Done(Served)
	line.want("any")
	any := line.leases["any"]
	any.Done(Served)
	line.want("any")
	if l := pick(t, p); l.Backend() != any.Backend() {
		t.Errorf("a new client got %s, want %s", l.Backend(), any.Backend())
	}
	b.Done(Served)
	line.want("any", "had a")
}

func TestWaitTakesRoomThatIsThere(t *testing.T) {
	p := newPool(t, Options{Queue: 1}, limited(1))
	line := newLine(t, p)
	w := line.wait("lucky")
	line.want("lucky")
	if p.Leave(w) || p.Snapshot().Waiting != 0 {
		t.Error("it waits none the less")
	}
}

func TestUpdateServesTheQueue(t *testing.T) {
	for name, change := range map[string]func() []Config{
		"two more backends": func() []Config { return limited(3) },
		"a higher limit": func() []Config {
			backends := limited(1)
			backends[0].MaxConns = 3
			return backends
		},
		"no primary, so that backups may": func() []Config {
			backends := limited(3)
			backends[1].Backup, backends[2].Backup = true, true
			return backends[1:]
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, Options{Queue: 9}, limited(1))
			pick(t, p)
			line := newLine(t, p)
			for _, name := range []string{"first", "second", "third"} {
				line.wait(name)
			}
			update(t, p, change())
			line.want("first", "second")
		})
	}
}

// granted may use the pool, as one does that finds its client gone.
func TestGrantedMayEndTheLease(t *testing.T) {
	p := newPool(t, Options{Queue: 100}, limited(1))
	lease := pick(t, p)
	var served int
	for range 100 {
		p.Wait(&Request{}, func(l Lease) {
			served++
			l.Done(Abandoned)
		})
	}
	lease.Done(Served)
	if b := p.Snapshot().Backends[0]; served != 100 || b.Active != 0 {
		t.Errorf("got %d served and %d sessions left, want 100 and 0", served, b.Active)
	}
}

// Every client of many is served or has left, never both, and no backend is ever over its limit.
func TestQueueUnderConcurrency(t *testing.T) {
	p := newPool(t, Options{Policy: LeastConn, Queue: 1000}, limited(2))
	var served, left atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				granted := make(chan Lease, 1)
				w, err := p.Wait(&Request{}, func(l Lease) { granted <- l })
				if err != nil {
					t.Error(err)
					return
				}
				if i%3 == 0 && p.Leave(w) {
					left.Add(1)
					continue
				}
				l := <-granted
				if n := l.Backend().sessions(); n != 1 {
					t.Errorf("%s has %d sessions, more than its limit of 1", l.Backend(), n)
				}
				served.Add(1)
				l.Done(Served)
			}
		})
	}
	wg.Wait()
	s := p.Snapshot()
	if served.Load()+left.Load() != 4000 || s.Left != uint64(left.Load()) || s.Waiting != 0 {
		t.Errorf("%d served, %d left (%d counted), %d waiting of 4000", served.Load(), left.Load(), s.Left, s.Waiting)
	}
	if got := s.Backends[0].Picks + s.Backends[1].Picks; got != uint64(served.Load()) {
		t.Errorf("got %d picks for %d sessions", got, served.Load())
	}
}

// Whatever happens, in any order, to a pool of any policy: what it counts is what there is, and nobody waits for room that is there.
func TestPoolInvariants(t *testing.T) {
	for _, policy := range Policies() {
		t.Run(policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
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
	w.pool = newPool(t, Options{Policy: policy, Queue: 5, LoadFactor: 1, SlowStart: 10 * time.Second, Ejection: Ejection{After: 1 + w.IntN(3)},
		Checks: w.IntN(2) == 0, WhenAllDown: WhenAllDown(w.IntN(2)), Initial: []State{Up, Down}[w.IntN(2)]}, w.backends())
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
		case n < 50:
			w.arrive()
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
	switch w.IntN(5) {
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
	if b.standing == standingEjected && !w.pool.options.Checks && b.onTrial() && b.sessions() == 0 {
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
	if w.pool.census != want || w.pool.gate != w.pool.gateNow() {
		w.t.Fatalf("the census says %v at gate %v, and is %v, %v", w.pool.census, w.pool.gate, want, w.pool.gateNow())
	}
}

func (w *world) checkQueue() {
	w.t.Helper()
	n := 0
	for place := w.pool.queue.head; place != nil; place = place.next {
		n++
		if lease, err := w.pool.pickLocked(&place.of.request); err == nil {
			w.t.Fatalf("a client waits though %s has room for it", lease.Backend())
		}
	}
	if n != w.pool.queue.length || n != w.pool.Snapshot().Waiting {
		w.t.Fatalf("the queue counts %d and has %d", w.pool.queue.length, n)
	}
}
