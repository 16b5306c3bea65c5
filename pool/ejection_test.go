package pool

import (
	"math"
	"strings"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// ejecting returns a pool whose holds have no jitter, and whose sessions had answers so far.
func ejecting(t testing.TB, o Options, backends []Config) *Pool {
	if o.Ejection == (Ejection{}) {
		o.Ejection = Ejection{After: 5}
	}
	p := newPool(t, o, backends)
	p.jitter = func() float64 { return 0 }
	p.past.late.answered = 1000
	return p
}

// on begins a session on b, whatever its state.
func on(b *Backend) *Lease {
	b.pool.mu.Lock()
	defer b.pool.mu.Unlock()
	l := b.tier.lease(b)
	return &l
}

// fail has n sessions on b end with o, each of another client.
func fail(b *Backend, n int, o Outcome) {
	for range n {
		end(b, o, 1000+int(b.Picks()))
	}
}

// end has a session of a client on b end with o, or if that is Served, have an answer.
func end(b *Backend, o Outcome, of int) {
	l := on(b)
	l.origin = originOf(client(of))
	if o == Died || o == Served {
		l.Connected(1)
	}
	if o == Served {
		l.FirstByte(1)
	}
	l.Done(o)
}

func TestFailuresInARowEject(t *testing.T) {
	for _, o := range []Outcome{Refused, TimedOut, Unreachable, TLSFailed, Died} {
		t.Run(o.String(), func(t *testing.T) {
			p := ejecting(t, Options{}, equal(3))
			a := backend(t, p, "a")
			fail(a, 4, o)
			if a.State() != Up {
				t.Fatalf("after 4: %v, want up", a.State())
			}
			fail(a, 1, o)
			if a.State() != Ejected {
				t.Fatalf("after 5: %v, want ejected", a.State())
			}
			if names := picks(t, p, 6); strings.Contains(names, "a") {
				t.Errorf("while a is ejected: got %s", names)
			}
		})
	}
}

// What ends a row: a connection ends failures to connect, only a first byte those after it, and what says nothing ends
// none.
func TestWhatEndsARow(t *testing.T) {
	connects := func(l *Lease) { l.Connected(1); l.Done(Served) }
	answers := func(l *Lease) { l.Connected(1); l.FirstByte(1); l.Done(Served) }
	for _, test := range []struct {
		name    string
		failure Outcome
		between func(*Lease)
		want    State
	}{
		{"refused, then connected", Refused, connects, Up},
		{"refused, then abandoned", Refused, func(l *Lease) { l.Done(Abandoned) }, Ejected},
		{"refused, then our own fault", Refused, func(l *Lease) { l.Done(OwnFault) }, Ejected},
		{"died, then connected without a byte", Died, connects, Ejected},
		{"died, then answered", Died, answers, Up},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := backend(t, ejecting(t, Options{}, equal(3)), "a")
			fail(a, 4, test.failure)
			test.between(on(a))
			fail(a, 4, test.failure)
			if got := a.State(); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestOwnFaultsAndClientsThatLeaveEjectNobody(t *testing.T) {
	a := backend(t, ejecting(t, Options{}, equal(3)), "a")
	fail(a, 100, OwnFault)
	fail(a, 100, Abandoned)
	if a.State() != Up {
		t.Errorf("got %v, want up", a.State())
	}
}

func TestShareOfFailuresEjects(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{Ejection: Ejection{Share: 0.5}}, equal(3))
		told := newDiary(p)
		a := backend(t, p, "a")
		for range 9 {
			fail(a, 1, Refused)
			fail(a, 1, Served)
		}
		fail(a, 1, Refused)
		told.want(t) // 10 of 19: too few to tell
		fail(a, 1, Served)
		fail(a, 1, Refused)
		told.want(t, "0s a up→ejected until 5s by traffic: 11 of 21 sessions failed within 10s, the last: refused")
		b := backend(t, p, "b")
		fail(b, 15, Refused)
		time.Sleep(windowLength + 1)
		fail(b, 15, Refused)
		if b.State() != Up {
			t.Error("failures of two windows were taken together")
		}
	})
}

func TestAtMostHalfIsEjectedAndNeverTheLast(t *testing.T) {
	for n, want := range []int{0, 0, 1, 1, 2, 2, 3} {
		p := ejecting(t, Options{}, equal(n))
		ejected := 0
		for _, b := range p.Backends() {
			fail(b, 20, Refused)
			if b.State() == Ejected {
				ejected++
			}
		}
		if ejected != want {
			t.Errorf("of %d backends %d were ejected, want %d", n, ejected, want)
		}
	}
}

// Of four backends one may be ejected beside two that are down, and the last that is up may not.
func TestTheLastThatIsUpIsNotEjected(t *testing.T) {
	p := ejecting(t, Options{}, equal(4))
	for _, b := range named(p, "ab") {
		b.Judge(Down, byCheck("refused"))
	}
	for _, b := range named(p, "cd") {
		fail(b, 20, Died)
	}
	if c, d := backend(t, p, "c"), backend(t, p, "d"); c.State() != Ejected || d.State() != Up {
		t.Errorf("got %v and %v, want ejected and up", c.State(), d.State())
	}
}

// The hold doubles with each ejection, up to five minutes, and is forgotten after the backend has been up for that
// long.
func TestHoldGrows(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{}, equal(2))
		a := backend(t, p, "a")
		fail(a, 5, Refused)
		for _, want := range []time.Duration{5, 10, 20, 40, 80, 160, 300, 300} {
			last := a.History()[len(a.History())-1]
			if got := last.Until.Sub(last.At); got != want*time.Second {
				t.Errorf("got a hold of %v, want %v", got, want*time.Second)
			}
			pass(want*time.Second - 1)
			if names := picks(t, p, 4); names != "bbbb" {
				t.Fatalf("1 ns before the end of a hold of %v: got %s", want*time.Second, names)
			}
			pass(time.Nanosecond)
			l := pick(t, p)
			if l.Backend() != a {
				t.Fatalf("after a hold of %v: got %s, want a to be tried", want*time.Second, l.Backend())
			}
			l.Done(Refused)
		}
		pass(maxHold)
		l := pick(t, p)
		l.Connected(1)
		l.Done(Served)
		time.Sleep(maxHold)
		fail(a, 5, Refused)
		if last := a.History()[len(a.History())-1]; last.Until.Sub(last.At) != defaultHold {
			t.Errorf("after five good minutes: got a hold of %v, want %v", last.Until.Sub(last.At), defaultHold)
		}
	})
}

func TestHoldHasJitter(t *testing.T) {
	for _, test := range []struct {
		chance float64
		want   time.Duration
	}{{0, 8 * time.Second}, {0.5, 9 * time.Second}, {1, 10 * time.Second}} {
		if got := (Ejection{Hold: 4 * time.Second}).hold(1, test.chance); got != test.want {
			t.Errorf("chance %v: got %v, want %v", test.chance, got, test.want)
		}
	}
}

// After the hold one session tries the backend, and only when it is connected do others follow.
func TestOneSessionTriesAfterTheHold(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{}, equal(2))
		told := newDiary(p)
		a := backend(t, p, "a")
		fail(a, 5, Refused)
		pass(defaultHold)
		l := pick(t, p)
		if l.Backend() != a {
			t.Fatalf("got %s, want a to be tried", l.Backend())
		}
		if names := picks(t, p, 5); names != "bbbbb" {
			t.Fatalf("while the trial goes on: got %s", names)
		}
		l.Connected(time.Millisecond)
		told.want(t, "0s a up→ejected until 5s by traffic: 5 connections in a row failed, the last: refused",
			"5s a ejected→up by traffic: the session that tried it was connected")
		if names := picks(t, p, 4); !strings.Contains(names, "a") {
			t.Errorf("after the trial: got %s", names)
		}
	})
}

// A session that has failed once already is no trial: it has fewer tries left.
func TestRetryIsNoTrial(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{}, equal(3))
		fail(backend(t, p, "a"), 5, Refused)
		pass(defaultHold)
		if l := pick(t, p, named(p, "b")...); l.Backend().Name() != "c" {
			t.Errorf("got %s, want c", l.Backend())
		}
	})
}

func TestTrialThatEndsUndecidedIsRepeated(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		for _, o := range []Outcome{Abandoned, OwnFault} {
			p := ejecting(t, Options{}, equal(2))
			a := backend(t, p, "a")
			fail(a, 5, Refused)
			pass(defaultHold)
			for range 3 {
				l := pick(t, p)
				if l.Backend() != a {
					t.Fatalf("%v: got %s, want a", o, l.Backend())
				}
				l.Done(o)
			}
		}
	})
}

// Sessions from before the ejection say nothing of the trial: their ends do not send more clients after it, and their
// failures do not decide it.
func TestOldSessionsAreNoTrial(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{}, equal(2))
		told := newDiary(p)
		a := backend(t, p, "a")
		leaves, dies, connects := on(a), on(a), on(a)
		fail(a, 5, Refused)
		pass(defaultHold)
		trial := pick(t, p)
		if trial.Backend() != a {
			t.Fatalf("got %s, want a to be tried", trial.Backend())
		}
		leaves.Done(Served)
		dies.Done(Died)
		connects.Connected(1)
		for range 4 {
			if l := pick(t, p); l.Backend() == a {
				t.Fatal("a second session tries it while the first is at it")
			}
		}
		told.want(t, "0s a up→ejected until 5s by traffic: 5 connections in a row failed, the last: refused")
		trial.Done(TimedOut)
		told.want(t, "5s a ejected→ejected until 15s by traffic: its trial failed: timeout")
	})
}

// A trial whose client may be why it failed does not make holds longer: who gets each trial would keep the backend out.
func TestTrialThatAClientFailsHoldsNoLonger(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{}, equal(2))
		a := backend(t, p, "a")
		fail(a, 5, Refused)
		for i := range 4 {
			pass(defaultHold)
			l := pick(t, p)
			if l.Backend() != a {
				t.Fatalf("trial %d: got %s, want a to be tried", i, l.Backend())
			}
			l.Done(TLSFailed)
		}
		pass(defaultHold)
		l := pick(t, p)
		l.Done(Refused)
		if got := time.Until(a.History()[len(a.History())-1].Until); got != 2*defaultHold {
			t.Errorf("after a refusal: held for %v, want %v", got, 2*defaultHold)
		}
	})
}

// A session of the last resort tries the backend as well as any: no other need to, and what comes of it counts.
func TestLastResortIsATrial(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		for _, checks := range []bool{false, true} {
			p := ejecting(t, Options{Checks: checks}, equal(2))
			a := backend(t, p, "a")
			fail(a, 5, Refused)
			pass(defaultHold)
			l := pick(t, p, named(p, "b")...)
			if got := picks(t, p, 2); got != "bb" {
				t.Errorf("checks %v: while the last resort is tried: got %s, want bb", checks, got)
			}
			l.Done(Refused)
			if last := a.History()[len(a.History())-1]; last.Reason != "its trial failed: refused" {
				t.Errorf("checks %v: got %q last, want that its trial failed", checks, last.Reason)
			}
			pass(2 * defaultHold)
			l = pick(t, p, named(p, "b")...)
			l.Connected(1)
			if a.State() != Up {
				t.Errorf("checks %v: got %v, want up", checks, a.State())
			}
		}
	})
}

// One that is down or drains meanwhile is not tried, and is when it no longer drains.
func TestTrialIsWithdrawn(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{}, equal(2))
		a := backend(t, p, "a")
		fail(a, 5, Refused)
		pass(defaultHold)
		a.Drain()
		if got := picks(t, p, 2); got != "bb" {
			t.Errorf("while a drains: got %s, want bb", got)
		}
		a.Resume()
		if got := picks(t, p, 1); got != "a" {
			t.Errorf("after that: got %s, want a", got)
		}
		a.Judge(Down, byCheck("refused"))
		if got := picks(t, p, 2); got != "bb" {
			t.Errorf("while a is down: got %s, want bb", got)
		}
	})
}

// A backend that was ejected for dying is readmitted by a connection, but the next death ejects it again, for longer.
func TestConnectionProvesLittleToTheDead(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{}, equal(2))
		told := newDiary(p)
		a := backend(t, p, "a")
		fail(a, 5, Died)
		pass(defaultHold)
		l := pick(t, p)
		l.Connected(1)
		l.Done(Died)
		told.want(t, "0s a up→ejected until 5s by traffic: 5 sessions in a row failed before the first byte, the last: died",
			"5s a ejected→up by traffic: the session that tried it was connected",
			"5s a up→ejected until 15s by traffic: 5 sessions in a row failed before the first byte, the last: died")
	})
}

func TestCheckReadmitsAfterTheHold(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{Checks: true}, equal(2))
		a := backend(t, p, "a")
		fail(a, 5, Refused)
		<-a.Doubted()
		pass(defaultHold - 1)
		if a.Readmit(byCheck("connected")) {
			t.Error("readmitted 1 ns before the end of its hold")
		}
		select {
		case <-a.Doubted():
			t.Error("a check was asked for during the hold")
		default:
		}
		pass(time.Nanosecond)
		<-a.Doubted() // at once, not at the next interval
		if names := picks(t, p, 4); names != "bbbb" {
			t.Errorf("a session was made to try what checks can: got %s", names)
		}
		if !a.Readmit(byCheck("connected")) || a.State() != Up {
			t.Error("a check's success did not readmit it")
		}
		if a.Readmit(byCheck("connected")) {
			t.Error("readmitted twice")
		}
	})
}

// A backend that checks found down and up again is up, whatever was held against it.
func TestRecoveryEndsTheHold(t *testing.T) {
	p := ejecting(t, Options{Checks: true}, equal(3))
	a := backend(t, p, "a")
	fail(a, 5, Refused)
	a.Judge(Up, byCheck("connected"))
	if a.State() != Ejected {
		t.Errorf("a good word during the hold: got %v, want ejected", a.State())
	}
	a.Judge(Down, byCheck("refused"))
	a.Judge(Up, byCheck("connected"))
	if a.State() != Up {
		t.Errorf("got %v, want up", a.State())
	}
}

func TestEveryFailureAsksForACheck(t *testing.T) {
	p := ejecting(t, Options{}, equal(2))
	a := backend(t, p, "a")
	for _, o := range []Outcome{Served, Abandoned, OwnFault} {
		fail(a, 1, o)
		select {
		case <-a.Doubted():
			t.Errorf("%v asked for a check", o)
		default:
		}
	}
	fail(a, 3, Refused)
	<-a.Doubted()
	select {
	case <-a.Doubted():
		t.Error("three failures asked for more than one check")
	default:
	}
}

// Three dead primaries and three tries: once they are ejected or down, a client reaches the backup with its first or
// second try.
func TestDeadPrimariesDoNotHideTheBackup(t *testing.T) {
	backends := equal(4)
	backends[3].Backup = true
	p := ejecting(t, Options{}, backends)
	reached := func() bool {
		r := &Request{}
		for range 3 {
			l, err := p.Pick(r)
			if err != nil {
				t.Fatal(err)
			}
			r.Tried = append(r.Tried, l.Backend())
			if l.Backend().Name() == "d" {
				l.Connected(1)
				l.Done(Served)
				return true
			}
			l.Done(Refused)
		}
		return false
	}
	if reached() {
		t.Fatal("the first client reached the backup with three tries; it cannot know yet")
	}
	for range 10 {
		reached()
	}
	for range 20 {
		if !reached() {
			t.Fatalf("the backup is out of reach: census %v", p.census)
		}
	}
}

// A session that has tried all others is sent to those that are ejected, but not to those that are down: where two of
// four are ejected and the others die, clients must not wait for the end of a hold.
func TestEjectedAreTheLastResort(t *testing.T) {
	for _, policy := range Policies() {
		p := ejecting(t, Options{Policy: policy}, equal(5))
		for _, b := range named(p, "ab") {
			fail(b, 5, Refused)
		}
		backend(t, p, "c").Judge(Down, byCheck("refused"))
		first := ""
		for range 2 {
			r := &Request{Source: client(1), Tried: named(p, "de")}
			for range 2 {
				l, err := p.Pick(r)
				if err != nil {
					t.Fatalf("%v: after %v: %v", policy, r.Tried, err)
				}
				first += l.Backend().Name()
				r.Tried = append(r.Tried, l.Backend())
				l.Done(Refused)
			}
			wantErr(t, p, r, ErrNone)
		}
		if first != "abab" {
			t.Errorf("%v: got %s, want abab: each in turn", policy, first)
		}
		if n := p.Snapshot().Backends[0].Active; n != 0 {
			t.Errorf("%v: %d sessions are left", policy, n)
		}
	}
}

// Who waits has them as the last resort as well, once nobody is left to wait for.
func TestLastResortOfThoseWhoWait(t *testing.T) {
	backends := equal(4)
	backends[1].MaxConns = 1
	p := ejecting(t, Options{Queue: 9}, backends)
	fail(backend(t, p, "a"), 5, Refused)
	pick(t, p, named(p, "cd")...)
	line := newLine(t, p)
	line.wait("came before", named(p, "cd")...)
	line.want()
	backend(t, p, "b").Judge(Down, byCheck("refused"))
	line.want("came before")
	line.wait("came after", named(p, "cd")...)
	line.want("came before", "came after")
	for name, lease := range line.leases {
		if lease.Backend().Name() != "a" {
			t.Errorf("who %s: got %s, want a", name, lease.Backend())
		}
	}
}

// Among those held it is the one that has waited longest, and one that is full is passed over.
func TestLastResortTakesTurns(t *testing.T) {
	backends := equal(4)
	backends[1].MaxConns = 1
	p := ejecting(t, Options{}, backends)
	for _, b := range named(p, "ab") {
		fail(b, 5, Refused)
	}
	got := ""
	for range 4 {
		got += pick(t, p, named(p, "cd")...).Backend().Name()
	}
	if got != "abaa" {
		t.Errorf("got %s, want abaa", got)
	}
}

func TestFaultyEjection(t *testing.T) {
	_, err := New(Options{Ejection: Ejection{After: -1, Share: math.NaN(), Slow: 1, Hold: -1}, WhenAllDown: 9, Panic: 2, SlowStart: -1, Initial: Ejected}, nil)
	want := `when-all-down(9) is no answer to all backends being down
a panic below a share of 2: from 0 (never) to 1 is right
a slow start of -1ns: a positive time is right, or 0 for none
backends that are ejected at first: up or down is right
an ejection after -1 failures: 1 or more is right, or 0 for never
an ejection at a share of NaN: above 0 and up to 1 is right, or 0 for never
an ejection at 1 times the median would take half of the pool: more than 1 is right, or 0 for never
a hold of -1ns: a positive time is right, or 0 for 5s`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}
