package pool

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"forebay/l4/l4test"
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

// Room that the head of the queue cannot use goes to the next who can, and it is no overtaking if a new client takes
// it.
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

// The room that a session leaves whose failure ejects the backend is no room.
func TestQueueIsNotServedByWhoIsEjected(t *testing.T) {
	p := newPool(t, Options{Queue: 9, Ejection: Ejection{After: 1}}, limited(2))
	a, b := pick(t, p), pick(t, p)
	line := newLine(t, p)
	line.wait("first")
	a.Done(Refused)
	line.want()
	b.Done(Served)
	line.want("first")
	first := line.leases["first"]
	if first.Backend() != b.Backend() {
		t.Errorf("got %s, want %s", first.Backend(), b.Backend())
	}
}

// Backups that stand by are no room for those who wait for a primary, or each session that ends would look through the
// whole queue. Neither is one whose trial is due and who is full.
func TestWhatIsNoRoomForTheQueue(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		backends := limited(3)
		backends[2].Backup = true
		p := ejecting(t, Options{Queue: 9, Ejection: Ejection{After: 1}}, backends)
		leases := []Lease{pick(t, p), pick(t, p)}
		line := newLine(t, p)
		waiter := line.wait("first")
		if p.roomLocked() {
			t.Error("a backup was taken for room")
		}
		line.wait("had both", named(p, "ab")...) // goes to the backup at once
		line.want("had both")
		backup := line.leases["had both"]
		line.wait("had both, too", named(p, "ab")...)
		backup.Done(Served)
		line.want("had both", "had both, too")
		ejected := leases[0].Backend()
		fail(ejected, 1, Refused)
		pass(defaultHold)
		if ejected.State() != Ejected || p.roomLocked() {
			t.Errorf("%v and full, it was taken for room", ejected.State())
		}
		leases[0].Done(Served)
		line.want("had both", "had both, too", "first")
		if p.Leave(waiter) {
			t.Error("who was served waits none the less")
		}
	})
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
