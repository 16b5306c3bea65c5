package health

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"forebay/l4/l4test"
	"forebay/pool"
)

// A desk is a pool of two backends on loopback whose accept queues a test sets. It is used in a bubble.
type desk struct {
	pool    *pool.Pool
	mu      sync.Mutex
	queues  queues
	leftOut netip.AddrPort // of what the kernel tells of all sockets
	fault   error
	looks   int
	glances int // of those, at the backends' places alone
	a, b    netip.AddrPort
	ended   chan error
	stop    context.CancelFunc

	listeners *Listeners
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{a: netip.MustParseAddrPort("127.0.0.1:8000"), b: netip.MustParseAddrPort("127.0.0.1:8001"), ended: make(chan error, 1)}
	var err error
	d.pool, err = pool.New(pool.Options{}, []pool.Config{
		{Name: "a", Addrs: []pool.Address{pool.TCPAddress(d.a)}},
		{Name: "b", Addrs: []pool.Address{pool.TCPAddress(d.b)}},
		{Name: "far", Addrs: []pool.Address{pool.TCPAddress(netip.MustParseAddrPort("192.0.2.1:80"))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.queues = queues{d.a: {0, 5}, d.b: {0, 5}}
	l := NewListeners(d.pool)
	l.look = func(places []netip.AddrPort) (queues, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.looks++
		found := maps.Clone(d.queues)
		if places != nil {
			d.glances++
		} else {
			delete(found, d.leftOut)
		}
		return found, d.fault
	}
	d.listeners = l
	d.serve(t)
	return d
}

// watch begins to watch, and has made its first look when it returns.
func (d *desk) watch(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	d.stop = cancel
	go func() { d.ended <- d.listeners.Run(ctx) }()
	synctest.Wait()
}

// set changes what the next look finds.
func (d *desk) set(at netip.AddrPort, q queue) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queues[at] = q
}

// close has nothing listen there.
func (d *desk) close(at netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.queues, at)
}

// leaveOut has the kernel not tell of a socket among all.
func (d *desk) leaveOut(at netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leftOut = at
}

// fail has looks fail.
func (d *desk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = err
}

// serve has each backend begin a session, and end it.
func (d *desk) serve(t *testing.T) {
	t.Helper()
	for range d.pool.Backends() {
		lease, err := d.pool.Pick(&pool.Request{})
		if err != nil {
			t.Fatal(err)
		}
		lease.Done(pool.Served)
	}
}

// after lets time pass and all looks be done.
func (d *desk) after(pass time.Duration) {
	time.Sleep(pass)
	synctest.Wait()
}

func (d *desk) want(t *testing.T, name string, s pool.State, reason string) {
	t.Helper()
	b := d.pool.Backend(name)
	h := b.History()
	if b.State() != s {
		t.Fatalf("%s is %v, want %v; history %+v", name, b.State(), s, h)
	}
	if reason != "" && (len(h) == 0 || !strings.Contains(h[len(h)-1].Reason, reason) || h[len(h)-1].Witness != pool.Listener) {
		t.Errorf("history %+v, want one that says %q last", h, reason)
	}
}

// bubble runs f, with what watches there already.
func bubble(t *testing.T, f func(*testing.T, *desk)) {
	l4test.Bubble(t, func(t *testing.T) {
		d := newDesk(t)
		d.watch(t)
		f(t, d)
		d.stop()
		synctest.Wait()
	})
}

func TestListenerThatIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		d.after(time.Millisecond)
		d.close(d.a)
		d.serve(t)
		d.after(249 * time.Millisecond)
		d.want(t, "a", pool.Down, "nothing listens at 127.0.0.1:8000")
		d.set(netip.MustParseAddrPort("0.0.0.0:8000"), queue{0, 5})
		d.after(250 * time.Millisecond)
		d.want(t, "a", pool.Up, "again")
		d.want(t, "far", pool.Up, "")
	})
}

// While no session begins and nobody waits, looks are rare.
func TestQuietPoolIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		d.after(20 * time.Second)
		if d.looks > 13 {
			t.Errorf("%d looks in 20 s without a session, want one every 2 s", d.looks)
		}
		if d.glances < 9 {
			t.Errorf("%d of them at the backends' places alone, want all but the first two", d.glances)
		}
		d.close(d.a)
		d.after(2 * time.Second)
		d.want(t, "a", pool.Down, "nothing listens")
	})
}

// A server that is awaited is seen at the next look, however quiet its pool is: one that has gone, and one that was
// down when watching began.
func TestServerThatStartsIsSeenSoon(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		d := newDesk(t)
		d.close(d.a)
		d.pool.Backend("a").Judge(pool.Down, pool.Evidence{Witness: pool.Check, Reason: "refused"})
		d.watch(t)
		d.after(20 * time.Second)
		d.set(d.a, queue{0, 5})
		d.after(250 * time.Millisecond)
		if got := d.listeners.Listening(d.pool.Backend("a")); got != Open {
			t.Errorf("a, at which nothing had listened yet: got %d, want %d, that it is open", got, Open)
		}
		d.close(d.b)
		d.after(20 * time.Second)
		d.want(t, "b", pool.Down, "nothing listens")
		d.set(d.b, queue{0, 5})
		d.after(250 * time.Millisecond)
		d.want(t, "b", pool.Up, "something listens")
		d.stop()
		synctest.Wait()
	})
}

func TestListening(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		b := d.pool.Backends()
		want := func(want ...Listening) {
			t.Helper()
			d.after(2 * time.Second)
			for i, w := range want {
				if got := d.listeners.Listening(b[i]); got != w {
					t.Errorf("%v: got %d, want %d", b[i], got, w)
				}
			}
		}
		want(Open, Open, Unseen)
		d.set(d.a, queue{5, 5})
		d.close(d.b)
		want(Full, Gone, Unseen)
		d.stop()
		want(Unseen, Unseen, Unseen)
	})
}

// What was never seen to listen may be served through a rule of the firewall.
func TestListenerThatWasNeverThere(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		d := newDesk(t)
		d.close(d.a)
		d.watch(t)
		d.after(time.Minute)
		d.want(t, "a", pool.Up, "")
		d.stop()
		synctest.Wait()
	})
}

// The kernel may leave one out of what it tells of all of them.
func TestListenerThatIsLeftOut(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		d.leaveOut(d.a)
		for range 8 {
			d.serve(t) // or else the next look is at their places alone
			d.after(250 * time.Millisecond)
		}
		if h := d.pool.Backend("a").History(); len(h) != 0 {
			t.Errorf("history %+v, want none", h)
		}
		d.close(d.a)
		d.serve(t)
		d.after(250 * time.Millisecond)
		d.want(t, "a", pool.Down, "nothing listens")
	})
}

func TestQueueThatStands(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		d.after(time.Millisecond)
		d.set(d.a, queue{2, 5})
		d.after(3 * time.Second)
		d.want(t, "a", pool.Up, "")
		d.after(250 * time.Millisecond)
		d.want(t, "a", pool.Ejected, "2 clients wait")
		d.set(d.a, queue{1, 5}) // one was accepted
		d.after(250 * time.Millisecond)
		d.want(t, "a", pool.Up, "accepts clients again")
	})
}

func TestQueueThatIsFull(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		d.after(time.Millisecond)
		d.set(d.a, queue{6, 5})
		d.after(250 * time.Millisecond)
		d.want(t, "a", pool.Up, "")
		d.after(250 * time.Millisecond)
		d.want(t, "a", pool.Ejected, "6 clients wait, of 5")
	})
}

// Of a backend with several addresses, that of the next session is looked at.
func TestQueueOfThePreferredAddress(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		d := newDesk(t)
		one, two := netip.MustParseAddrPort("127.0.0.1:8000"), netip.MustParseAddrPort("[::1]:8000")
		if err := d.pool.Update([]pool.Config{
			{Name: "localhost", Addrs: []pool.Address{pool.TCPAddress(one), pool.TCPAddress(two)}},
			{Name: "b", Addrs: []pool.Address{pool.TCPAddress(d.b)}},
		}); err != nil {
			t.Fatal(err)
		}
		d.set(one, queue{6, 5})
		d.set(two, queue{0, 5})
		d.pool.Backends()[0].Prefer(1)
		d.watch(t)
		d.after(10 * time.Second)
		d.want(t, "localhost", pool.Up, "")
		d.pool.Backends()[0].Prefer(0)
		d.after(10 * time.Second)
		d.want(t, "localhost", pool.Ejected, "6 clients wait, of 5")
		d.stop()
		synctest.Wait()
	})
}

// Where all are behind, none is at fault; where one lets clients through, it keeps up.
func TestQueuesThatMove(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		for i := range 40 {
			d.set(d.a, queue{3, 5})
			d.set(d.b, queue{2 + i%2, 5})
			d.after(250 * time.Millisecond)
		}
		d.want(t, "a", pool.Up, "")
		d.want(t, "b", pool.Up, "")
	})
}

func TestWatchingEnds(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		d.after(time.Millisecond)
		d.close(d.a)
		d.after(time.Second)
		no := errors.New("no more")
		d.fail(no)
		d.after((lookFaults - 2) * 250 * time.Millisecond) // the fault may pass
		d.fail(nil)
		d.after(250 * time.Millisecond)
		d.fail(no)
		d.after((lookFaults - 1) * 250 * time.Millisecond)
		d.want(t, "a", pool.Down, "nothing listens")
		d.after(250 * time.Millisecond)
		if err := <-d.ended; !errors.Is(err, no) {
			t.Errorf("got %v, want %v", err, no)
		}
		d.want(t, "a", pool.Up, "not watched any more")
	})
}

// The kernel's own answer: clients that nobody accepts, and a listener that is closed.
func TestKernelTellsOfListeners(t *testing.T) {
	k, err := openKernel()
	if err != nil {
		t.Skipf("this system does not tell: %v", err)
	}
	defer k.close()
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Skip(err)
		}
		defer l.Close()
		place := netip.MustParseAddrPort(l.Addr().String())
		for want := range 3 {
			// A connection is made for its client a moment before it waits at the listener.
			l4test.Await(t, 10*time.Second, fmt.Sprintf("%d wait at %v", want, place), func() bool {
				return queueAt(t, k, place).waiting == want
			})
			if q := queueAt(t, k, place); q.most < 128 {
				t.Errorf("%v: room for %d, want some hundred", place, q.most)
			}
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		l.Close()
		for _, places := range [][]netip.AddrPort{nil, {place}} {
			if found, err := k.look(places); err != nil {
				t.Error(err)
			} else if _, ok := found.at(place); ok {
				t.Errorf("%v still listens", place)
			}
		}
	}
}

// A backend's address may be one of all that its server listens at.
func TestKernelTellsOfWildcards(t *testing.T) {
	k, err := openKernel()
	if err != nil {
		t.Skipf("this system does not tell: %v", err)
	}
	defer k.close()
	for at, addrs := range map[string][]string{"0.0.0.0:0": {"127.0.0.1", "127.0.0.9"}, "[::]:0": {"127.0.0.1", "::1"}} {
		network := "tcp"
		if at[0] == '0' {
			network = "tcp4"
		}
		l, err := net.Listen(network, at)
		if err != nil {
			t.Skip(err)
		}
		defer l.Close()
		for _, addr := range addrs {
			queueAt(t, k, netip.AddrPortFrom(netip.MustParseAddr(addr), uint16(l.Addr().(*net.TCPAddr).Port)))
		}
	}
}

// A server may listen at all of IPv4 and, apart from it, at all of IPv6, as nginx, Redis and sshd do. Each has a queue
// of its own, and when one is closed the other takes nothing over.
func TestKernelTellsTwoWildcardsApart(t *testing.T) {
	k, err := openKernel()
	if err != nil {
		t.Skipf("this system does not tell: %v", err)
	}
	defer k.close()
	v4, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer v4.Close()
	port := uint16(v4.Addr().(*net.TCPAddr).Port)
	v6, err := net.Listen("tcp6", fmt.Sprintf("[::]:%d", port)) // which package net makes IPv6 only
	if err != nil {
		t.Skip(err)
	}
	defer v6.Close()
	here4 := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	here6 := netip.AddrPortFrom(netip.IPv6Loopback(), port)
	for range 2 {
		c, err := net.Dial("tcp", here4.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	l4test.Await(t, 10*time.Second, "2 wait at the IPv4 socket", func() bool { return queueAt(t, k, here4).waiting == 2 })
	if q := queueAt(t, k, here6); q.waiting != 0 {
		t.Errorf("%d wait at the IPv6 socket, want none", q.waiting)
	}
	v4.Close()
	for _, places := range [][]netip.AddrPort{nil, {here4}} {
		found, err := k.look(places)
		if err != nil {
			t.Fatal(err)
		}
		if q, ok := found.at(here4); ok {
			t.Errorf("the IPv4 socket is closed, and got %v at %v", q, here4)
		}
	}
}

// queueAt returns the queue at place, which both ways to ask must find.
func queueAt(t *testing.T, k *kernel, place netip.AddrPort) queue {
	t.Helper()
	var q [2]queue
	for i, places := range [][]netip.AddrPort{nil, {place}} {
		found, err := k.look(places)
		if err != nil {
			t.Fatal(err)
		}
		var ok bool
		if q[i], ok = found.at(place); !ok {
			t.Fatalf("nothing listens at %v; listening: %v", place, found)
		}
	}
	if q[0].most != q[1].most {
		t.Errorf("%v: got %v among all and %v alone", place, q[0], q[1])
	}
	return q[0]
}

func BenchmarkKernelTellsOfListeners(b *testing.B) {
	k, err := openKernel()
	if err != nil {
		b.Skip(err)
	}
	defer k.close()
	for name, places := range map[string][]netip.AddrPort{"all": nil, "one": {netip.MustParseAddrPort("127.0.0.1:1")}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := k.look(places); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
