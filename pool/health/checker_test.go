package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"forebay/l4/l4test"
	"forebay/pool"
)

// A ward is backends that are well or not as the test says, and what became of their checks.
type ward struct {
	t       *testing.T
	pool    *pool.Pool
	checker *Checker
	began   time.Time
	end     func() // stops the checker

	mu     sync.Mutex
	ill    map[string]error         // by address
	slow   map[string]time.Duration // what a probe takes, by address
	checks []string                 // when and where, as "2s :1001"
	told   []string                 // transitions, as "2s b0 up→down: reason"
}

func newWard(t *testing.T, o pool.Options, n int) *ward {
	w := &ward{t: t, began: time.Now(), ill: map[string]error{}, slow: map[string]time.Duration{}}
	var err error
	if w.pool, err = pool.New(o, backends(n)); err != nil {
		t.Fatal(err)
	}
	w.checker = NewChecker(w.pool, w)
	w.checker.chance = func() float64 { return 0.5 }
	w.pool.Watch(func(b *pool.Backend, tr pool.Transition) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, fmt.Sprintf("%v %s %v→%v: %s", tr.At.Sub(w.began), b, tr.From, tr.To, tr.Reason))
	})
	return w
}

// backends returns n configs named b0, b1 ..., at ports 1000, 1001 ...
func backends(n int) []pool.Config {
	all := make([]pool.Config, n)
	for i := range all {
		at := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(1000+i))
		all[i] = pool.Config{Name: fmt.Sprint("b", i), Addrs: []pool.Address{pool.TCPAddress(at)}}
	}
	return all
}

// Probe does as the test has said about the address.
func (w *ward) Probe(ctx context.Context, t Target) Result {
	w.mu.Lock()
	_, port, _ := net.SplitHostPort(t.Address)
	w.checks = append(w.checks, fmt.Sprintf("%v :%s", time.Since(w.began), port))
	err, slow := w.ill[t.Address], w.slow[t.Address]
	w.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		err = ctx.Err()
	}
	return Result{Err: err, Took: 7, Transcript: "said"}
}

// start runs the checker until end or the end of the test.
func (w *ward) start() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.checker.Run(ctx)
	}()
	w.end = sync.OnceFunc(func() { cancel(); <-ended })
	w.t.Cleanup(w.end)
	synctest.Wait()
}

// set says how backend i is from now on.
func (w *ward) set(i int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ill[fmt.Sprint("192.0.2.1:", 1000+i)] = err
}

// until lets time go by to the moment d after the beginning.
func (w *ward) until(d time.Duration) {
	time.Sleep(d - time.Since(w.began))
	synctest.Wait()
}

// wantChecks fails the test unless these were made since the last call.
func (w *ward) wantChecks(checks ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.checks, checks) {
		w.t.Fatalf("checks: got %q, want %q", w.checks, checks)
	}
	w.checks = nil
}

func (w *ward) wantTold(told ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.told, told) {
		w.t.Fatalf("transitions: got\n%s\nwant\n%s", strings.Join(w.told, "\n"), strings.Join(told, "\n"))
	}
	w.told = nil
}

// session makes one on whichever backend is picked.
func (w *ward) session(o pool.Outcome) *pool.Backend {
	w.t.Helper()
	l, err := w.pool.Pick(&pool.Request{})
	if err != nil {
		w.t.Fatal(err)
	}
	if !o.Failed() {
		l.Connected(1)
		l.FirstByte(1)
	}
	l.Done(o)
	synctest.Wait()
	return l.Backend()
}

// forgetChecks forgets those made so far.
func (w *ward) forgetChecks() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checks = nil
}

func TestChecksFollowTheInterval(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.start()
		w.until(5 * time.Second)
		w.wantChecks("0s :1000", "2s :1000", "4s :1000")
		w.wantTold()
	})
}

// The first round is made at once and side by side: slow answers of some delay nobody.
func TestFirstRoundIsParallel(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 100)
		for i := range 99 {
			w.slow[fmt.Sprint("192.0.2.1:", 1000+i)] = time.Second
		}
		w.set(99, syscall.ECONNREFUSED)
		w.start()
		if len(w.checks) != 100 {
			t.Errorf("got %d checks at once, want 100", len(w.checks))
		}
		w.wantTold("0s b99 up→down: a check failed: connection refused")
	})
}

// Rise and fall count results in a row, at a quarter of the interval while in doubt; one good result among bad ones
// begins anew.
func TestRiseAndFall(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.start()
		w.until(time.Second)
		w.set(0, syscall.ECONNREFUSED)
		w.until(2600 * time.Millisecond)
		w.wantChecks("0s :1000", "2s :1000", "2.5s :1000")
		w.set(0, nil)
		w.until(4 * time.Second)
		w.wantChecks("3s :1000")
		w.set(0, syscall.ECONNREFUSED)
		w.until(6 * time.Second)
		w.wantChecks("5s :1000", "5.5s :1000", "6s :1000")
		w.wantTold("6s b0 up→down: 3 checks in a row failed, the last: connection refused")
		w.until(23 * time.Second)
		w.wantChecks("8s :1000", "12s :1000", "20s :1000") // after one, two, four intervals, and so on
		w.set(0, nil)
		w.until(28 * time.Second)
		w.wantChecks("28s :1000")
		w.set(0, syscall.ECONNREFUSED)
		w.until(28500 * time.Millisecond)
		w.set(0, nil)
		w.until(40 * time.Second)
		w.wantTold("37s b0 down→up: 2 checks in a row passed")
	})
}

func TestInitial(t *testing.T) {
	for _, test := range []struct {
		initial Initial
		ill     error
		want    []string
	}{
		{InitialCheck, syscall.ECONNREFUSED, []string{"0s b0 up→down: a check failed: connection refused"}},
		{InitialCheck, nil, nil},
		{InitialUp, syscall.ECONNREFUSED, []string{"1s b0 up→down: 3 checks in a row failed, the last: connection refused"}},
		{InitialDown, nil, []string{"500ms b0 down→up: 2 checks in a row passed"}},
		{InitialDown, syscall.ECONNREFUSED, nil},
	} {
		t.Run(fmt.Sprint(test.initial, " ", test.ill), func(t *testing.T) {
			l4test.Bubble(t, func(t *testing.T) {
				o := pool.Options{}
				if test.initial == InitialDown {
					o.Initial = pool.Down
				}
				w := newWard(t, o, 1)
				w.checker.Initial = test.initial
				w.set(0, test.ill)
				w.start()
				w.until(3 * time.Second)
				w.wantTold(test.want...)
			})
		})
	}
}

// A backend that is down at first is not tried until Fall checks have failed. Then it is known to be down, and better
// than nothing.
func TestInitialDownIsTriedOnceItIsKnown(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{Initial: pool.Down}, 1)
		w.checker.Initial = InitialDown
		w.set(0, syscall.ECONNREFUSED)
		w.start()
		w.until(time.Second - 1)
		if _, err := w.pool.Pick(&pool.Request{}); !errors.Is(err, pool.ErrNone) {
			t.Errorf("after two checks: got %v, want %v", err, pool.ErrNone)
		}
		w.until(time.Second)
		w.session(pool.Refused)
	})
}

func TestChecksHaveJitter(t *testing.T) {
	c := &Checker{}
	for _, test := range []struct {
		chance float64
		want   time.Duration
	}{{0, 1800 * time.Millisecond}, {0.5, 2 * time.Second}, {1, 2200 * time.Millisecond}} {
		c.chance = func() float64 { return test.chance }
		if got := c.jitter(2 * time.Second); got != test.want {
			t.Errorf("chance %v: got %v, want %v", test.chance, got, test.want)
		}
	}
}

// Checks begin on a beat, and never before they are due.
func TestChecksKeepTheBeat(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.checker.Interval = 2001 * time.Millisecond
		w.start()
		w.until(7 * time.Second)
		w.wantChecks("0s :1000", "2.025s :1000", "4.05s :1000", "6.075s :1000")
	})
}

func TestCheckEndsAtItsTimeout(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.checker.Timeout = 1200 * time.Millisecond
		w.slow["192.0.2.1:1000"] = time.Hour
		w.start()
		w.until(1200 * time.Millisecond)
		w.wantTold("1.2s b0 up→down: a check failed: context deadline exceeded")
	})
}

// Without a descriptor to ask with, nothing is known: the backend stays what it is, and is asked again at the next
// interval.
func TestOurOwnFaultSaysNothing(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.set(0, fmt.Errorf("socket: %w", syscall.EMFILE))
		w.start()
		w.until(5 * time.Second)
		w.wantChecks("0s :1000", "2s :1000", "4s :1000")
		w.wantTold()
	})
}

// A failure of traffic asks for a check at once, and many ask for no more than one each quarter of the interval.
func TestDoubtIsCheckedAtOnce(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.start()
		w.until(time.Second)
		w.session(pool.Refused)
		w.wantChecks("0s :1000", "1s :1000")
		for range 10 {
			w.session(pool.Refused)
			time.Sleep(10 * time.Millisecond)
		}
		w.until(3 * time.Second)
		w.wantChecks("1.5s :1000")
		w.set(0, syscall.ECONNREFUSED)
		w.session(pool.Refused)
		w.until(4 * time.Second)
		w.wantTold("4s b0 up→down: 3 checks in a row failed, the last: connection refused")
	})
}

func TestGoodTrafficReplacesChecks(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.checker.Enough = 3
		w.start()
		for i := range 5 {
			w.until(time.Duration(1+2*i) * time.Second)
			for range 3 {
				w.session(pool.Served)
			}
		}
		w.until(13 * time.Second)
		w.session(pool.Served)
		w.session(pool.Served)
		w.until(15 * time.Second)
		w.wantChecks("0s :1000", "12s :1000", "14s :1000") // the first; without a session; with too few
		for range 3 {
			w.session(pool.Served)
		}
		w.session(pool.Died)
		w.wantChecks("15s :1000") // one that failed is doubt
	})
}

// What the kernel tells of a backend's socket is as good as a check, until traffic says otherwise.
func TestListeningReplacesChecks(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.checker.Enough, w.checker.Listeners = 3, NewListeners(w.pool)
		tell := func(found Listening) {
			w.checker.Listeners.note(w.pool.Backends()[0], found)
			synctest.Wait()
		}
		tell(Open)
		w.start()
		w.until(9 * time.Second)
		w.wantChecks("0s :1000")
		tell(Full)
		w.until(11 * time.Second)
		w.wantChecks("9s :1000", "11s :1000")
		tell(Gone)
		w.until(15 * time.Second)
		w.wantChecks()
		tell(Open)
		w.session(pool.Died)
		w.wantChecks()
		w.until(15*time.Second + 500*time.Millisecond)
		w.wantChecks("15.5s :1000") // a quarter of the interval after the kernel's word
	})
}

// A server that has gone must pass the check that asks for more than its socket, however soon something listens again.
func TestGoneIsNoPassingFault(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.checker.Listeners = NewListeners(w.pool)
		tell := func(found Listening) {
			w.checker.Listeners.note(w.pool.Backends()[0], found)
			synctest.Wait()
		}
		tell(Open)
		w.start()
		tell(Gone)
		w.set(0, syscall.ECONNREFUSED)
		w.until(3 * time.Second)
		tell(Open)
		w.wantTold("2s b0 up→down: a check failed: connection refused")
		w.set(0, nil)
		w.until(6 * time.Second)
		w.wantTold("5.5s b0 down→up: 2 checks in a row passed")
	})
}

// A server on this machine that starts after its first check is checked the moment something listens there, not when it
// would be its turn; and as the check by TCP asks for no more than that, one is enough.
func TestServerThatStartsIsCheckedAtOnce(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		for enough, want := range map[int]string{3: "20s b0 down→up: a check passed", 0: "20.5s b0 down→up: 2 checks in a row passed"} {
			w := newWard(t, pool.Options{}, 1)
			w.checker.Enough, w.checker.Listeners = enough, NewListeners(w.pool)
			w.set(0, syscall.ECONNREFUSED)
			w.start()
			w.until(20 * time.Second)
			w.wantTold("0s b0 up→down: a check failed: connection refused")
			w.set(0, nil)
			w.checker.Listeners.note(w.pool.Backends()[0], Open)
			w.until(21 * time.Second)
			w.wantTold(want)
			w.end()
		}
	})
}

// One that fails its checks while it listens, ends, and is started again is checked as soon as it listens again.
func TestServerThatStartsAgainIsCheckedAtOnce(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.checker.Listeners = NewListeners(w.pool)
		b := w.pool.Backends()[0]
		w.checker.Listeners.note(b, Open)
		w.set(0, errClosed)
		w.start()
		w.until(20 * time.Second) // the next checks are at 22 s and 30 s
		w.wantTold("0s b0 up→down: a check failed: the server closed the connection")
		w.checker.Listeners.note(b, Gone)
		w.until(23 * time.Second)
		w.checker.Listeners.note(b, Open)
		w.until(23500 * time.Millisecond)
		w.checker.Listeners.note(b, Gone)
		w.until(24 * time.Second)
		w.set(0, nil)
		w.checker.Listeners.note(b, Open)
		w.until(25 * time.Second)
		w.wantTold("24.5s b0 down→up: 2 checks in a row passed")
	})
}

// While all are down sessions go to one all the same. It is checked when it has let one in.
func TestDownBackendThatLetsASessionInIsChecked(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.set(0, syscall.ECONNREFUSED)
		w.start()
		w.until(20 * time.Second)
		w.set(0, nil)
		w.session(pool.Served)
		w.until(21 * time.Second)
		w.wantTold("0s b0 up→down: a check failed: connection refused", "20.5s b0 down→up: 2 checks in a row passed")
	})
}

func TestTogether(t *testing.T) {
	begin := time.Unix(1000, 0)                               // even seconds
	for after, want := range map[time.Duration]time.Duration{ // of the beginning
		0:                       2 * time.Second,
		3 * time.Millisecond:    2 * time.Second,
		900 * time.Millisecond:  2 * time.Second,
		1100 * time.Millisecond: 4 * time.Second,
	} {
		if got := after + together(begin.Add(after), 2*time.Second); got != want {
			t.Errorf("after %v: at %v, want %v", after, got, want)
		}
	}
}

// A check of what traffic cannot tell goes on whatever the traffic.
func TestTrafficReplacesNothingUnlessToldTo(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.start()
		for range 100 {
			w.session(pool.Served)
		}
		w.until(2 * time.Second)
		w.wantChecks("0s :1000", "2s :1000")
	})
}

// An answerer is a probe that a test has answers for, as a ward has.
type answerer func() error

func (a answerer) Probe(context.Context, Target) Result { return Result{Err: a(), Transcript: "idle"} }

// Many sessions in a row without an answer, be they all of one client, have more asked than that the kernel takes
// connections. One check decides: it ejects the backend, or acquits it until there are twice as many.
func TestSuspicionAsksMore(t *testing.T) {
	for name, err := range map[string]error{"dead": errClosed, "well": nil} {
		t.Run(name, func(t *testing.T) {
			l4test.Bubble(t, func(t *testing.T) {
				w := newWard(t, pool.Options{Checks: true, Policy: pool.First, Ejection: pool.Ejection{After: 5}}, 2)
				var more atomic.Int64
				w.checker.Doubting = answerer(func() error { more.Add(1); return err })
				w.start()
				w.until(time.Second)
				w.forgetChecks()
				died := func(n int) {
					for range n {
						w.session(pool.Died)
					}
				}
				died(4)
				w.wantChecks("1s :1000")
				w.until(1400 * time.Millisecond)
				died(1)
				w.until(1600 * time.Millisecond)
				if more.Load() != 1 {
					t.Errorf("more was asked %d times, want once", more.Load())
				}
				if err != nil {
					w.wantTold("1.5s b0 up→ejected: 5 sessions in a row failed before the first byte, and a check failed: the server closed the connection")
					w.until(2600 * time.Millisecond)
					w.wantTold("2.5s b0 ejected→down: 3 checks in a row failed, the last: the server closed the connection")
					return
				}
				died(4)
				w.until(8 * time.Second)
				died(1)
				w.until(9 * time.Second)
				if more.Load() != 2 {
					t.Errorf("after twice as many, more was asked %d times, want twice", more.Load())
				}
				w.wantTold()
			})
		})
	}
}

// Whoever asks for more than a connection is believed, too: where sessions have no answers one failed check is enough.
func TestOneFailedCheckOfSeveralConvicts(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{Checks: true, Policy: pool.First, Ejection: pool.Ejection{After: 5}}, 2)
		w.start()
		w.until(time.Second)
		w.set(0, errClosed)
		for range 5 {
			w.session(pool.Died)
		}
		w.until(1600 * time.Millisecond) // the first check came with the first session
		w.wantTold("1.5s b0 up→ejected: 5 sessions in a row failed before the first byte, and a check failed: the server closed the connection")
	})
}

// An ejected backend is checked the moment its hold is over, and readmitted if it is well then.
func TestCheckAfterTheHoldReadmits(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{Checks: true, Ejection: pool.Ejection{After: 1, Hold: 90 * time.Second}}, 2)
		w.start()
		w.until(time.Second)
		b := w.session(pool.Refused)
		hold := b.History()[0].Until.Sub(w.began) // there is jitter in it
		w.until(hold - 1)
		if b.State() != pool.Ejected {
			t.Errorf("1 ns before the end of its hold: got %v, want ejected", b.State())
		}
		w.until(hold + 500*time.Millisecond) // unless the last check was just now
		if b.State() != pool.Up || b.History()[1].Reason != "a check passed after the hold" {
			t.Errorf("got %v with %+v, want up by a check", b.State(), b.History())
		}
	})
}

func TestBackendsThatJoinAreChecked(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.start()
		w.until(time.Second)
		if err := w.pool.Update(backends(2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.wantChecks("0s :1000", "1s :1001")
		if err := w.pool.Update(backends(2)[1:]); err != nil {
			t.Fatal(err)
		}
		w.until(5500 * time.Millisecond)
		w.wantChecks("3s :1001", "5s :1001")
	})
}

// One that was removed is checked as long as it has sessions, for whom it may matter.
func TestRemovedBackendIsCheckedWhileItHasSessions(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		l, err := w.pool.Pick(&pool.Request{})
		if err != nil {
			t.Fatal(err)
		}
		w.start()
		w.pool.Update(nil)
		w.until(3 * time.Second)
		w.wantChecks("0s :1000", "2s :1000")
		l.Done(pool.Served)
		w.until(10 * time.Second)
		w.wantChecks()
	})
}

// The addresses of one backend are alternatives: it is up if one answers, and the one that sessions use is asked first.
func TestBackendOfSeveralAddresses(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 0)
		b := backends(2)
		b[0].Addrs = append(b[0].Addrs, b[1].Addrs...)
		w.pool.Update(b[:1])
		w.set(0, syscall.ECONNREFUSED)
		w.start()
		w.wantChecks("0s :1000", "0s :1001")
		w.wantTold()
		w.pool.Backends()[0].Prefer(1)
		w.until(2 * time.Second)
		w.wantChecks("2s :1001")
		w.set(1, errors.New("closed"))
		w.until(6 * time.Second)
		w.wantTold("5s b0 up→down: 3 checks in a row failed, the last: connection refused")
	})
}

// Run ends its checks, and what they found when they were interrupted is no word about the backend.
func TestRunEndsWithItsContext(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 3)
		w.slow["192.0.2.1:1000"] = time.Second
		w.start()
		w.end()
		if time.Since(w.began) != 0 {
			t.Errorf("it took %v to end", time.Since(w.began))
		}
		w.wantTold()
	})
}

func TestEvidenceIsKept(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		w := newWard(t, pool.Options{}, 1)
		w.set(0, syscall.ECONNREFUSED)
		w.start()
		want := pool.Evidence{Witness: pool.Check, Reason: "a check failed: connection refused", Took: 7, Transcript: "said"}
		if h := w.pool.Snapshot().Backends[0].History; len(h) != 1 || h[0].Evidence != want {
			t.Errorf("got %+v, want %+v", h, want)
		}
	})
}

func TestTargetNamesTheHost(t *testing.T) {
	for name, want := range map[string]string{
		"db.example:5432":           "db.example",
		"db.example:5432(10.0.0.7)": "db.example",
		"192.0.2.1:80":              "",
		"[2001:db8::1]:80":          "",
		"unnamed":                   "",
	} {
		if got := hostOf(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	p, err := pool.New(pool.Options{}, []pool.Config{{Name: "unix:/run/a", Addrs: []pool.Address{pool.UNIXAddress("/run/a")}}})
	if err != nil {
		t.Fatal(err)
	}
	b := p.Backends()[0]
	if got := targetOf(b, b.Addrs()[0]); got != (Target{Network: "unix", Address: "/run/a"}) {
		t.Errorf("got %+v", got)
	}
}

func TestTrafficProvesNoMoreThanTCP(t *testing.T) {
	for text, want := range map[string]bool{"tcp": true, "tcp,proxy=v2": true, "tcp:80": false, "tls": false, "redis": false, "http:///": false} {
		c, err := ParseCheck(text)
		if err != nil {
			t.Fatal(err)
		}
		if c.Proven() != want {
			t.Errorf("%s: got %v, want %v", text, !want, want)
		}
	}
}

func TestInitialReadsWhatItWrites(t *testing.T) {
	for _, i := range []Initial{InitialCheck, InitialUp, InitialDown} {
		var got Initial
		text, _ := i.MarshalText()
		if err := got.UnmarshalText(text); err != nil || got != i {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	var i Initial
	if err := i.UnmarshalText([]byte("maybe")); err == nil || err.Error() != `"maybe" is none of check, up and down` {
		t.Errorf("got %v", err)
	}
}

func TestFaultyChecker(t *testing.T) {
	err := (&Checker{Enough: -1}).Validate()
	want := `checks every 0s: a positive time is right
checks that take up to 0s: a positive time is right
up after 0 checks: 1 or more is right
down after 0 checks: 1 or more is right
-1 sessions in place of a check: 1 or more is right, or 0 for none`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	if err := NewChecker(nil, nil).Validate(); err != nil {
		t.Errorf("the defaults: got %v", err)
	}
}
