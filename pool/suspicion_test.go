package pool

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// usually is how a process ejects unless it is told otherwise.
func usually() Ejection { return Ejection{After: 5, Share: 0.5} }

// noneEjected fails the test if a backend of p is, or was.
func noneEjected(t *testing.T, p *Pool) {
	t.Helper()
	for _, b := range p.Backends() {
		if h := b.History(); len(h) > 0 {
			t.Errorf("%s is %v: %s", b, b.State(), h[len(h)-1].Reason)
		}
	}
}

// What one client brings about is held against no backend, however often it comes, whether it goes to all or to one of
// them alone, and whatever the honest ones beside it do. Nor what a few bring about.
func TestFewClientsEjectNobody(t *testing.T) {
	for _, test := range []struct {
		name    string
		clients int
		on      string // the backends that they aim at
		honest  bool   // others are answered meanwhile
	}{
		{"one, everywhere", 1, "abcd", true},
		{"one, at one backend", 1, "a", true},
		{"one, and nobody else", 1, "a", false},
		{"four, at one backend", 4, "a", true},
		{"four, and nobody else", 4, "abcd", false},
	} {
		for _, o := range []Outcome{Died, TLSFailed} {
			t.Run(test.name+"/"+o.String(), func(t *testing.T) {
				p := ejecting(t, Options{Ejection: usually()}, equal(4))
				for i := range 2000 {
					end(backend(t, p, test.on[i%len(test.on):][:1]), o, i%test.clients)
					if test.honest {
						end(backend(t, p, "abcd"[i%4:][:1]), Served, 100+i)
					}
				}
				noneEjected(t, p)
			})
		}
	}
}

// A crowd of clients whose requests make servers close, as many as the honest ones, goes to every backend: so it is
// what is usual, and no proof against one of them that happens to have had many in a row.
func TestManyBadClientsEverywhereEjectNobody(t *testing.T) {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 2))
		p := ejecting(t, Options{Ejection: usually()}, equal(4))
		for i := range 20_000 {
			end(backend(t, p, "abcd"[random.IntN(4):][:1]), []Outcome{Served, Died}[random.IntN(2)], i)
		}
		noneEjected(t, p)
	}
}

// Servers that only take in, as syslog does, end each session without an answer, and nothing is wrong with them: from
// the first session on, and where one of them gets all.
func TestServersThatNeverAnswerAreLeftAlone(t *testing.T) {
	for _, policy := range []Policy{RoundRobin, First} {
		p := newPool(t, Options{Ejection: usually(), Policy: policy}, equal(4))
		for i := range 2000 {
			l := pick(t, p)
			b := l.Backend()
			l.Done(Abandoned)
			end(b, Died, i)
		}
		noneEjected(t, p)
	}
}

// A process that is dead behind a living kernel is found by what becomes of many clients, and as soon as it is clear
// that it is not they: at once where others have answers, and also where it gets all sessions and has answered before.
func TestDeadBackendIsFoundByManyClients(t *testing.T) {
	for _, test := range []struct {
		name     string
		answered int // sessions in the past
		others   bool
		within   int
	}{
		{"a pool that has answered", 100, false, 5},
		{"a pool that has just begun", 0, true, 9},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := ejecting(t, Options{Ejection: usually()}, equal(2))
			p.past.late.answered = test.answered
			a, n := backend(t, p, "a"), 0
			for ; a.State() == Up && n < 100; n++ {
				end(a, Died, n)
				if test.others {
					end(backend(t, p, "b"), Served, 100+n)
				}
			}
			if n > test.within {
				t.Errorf("ejected after %d sessions, want %d at most", n, test.within)
			}
		})
	}
}

// One that fails half of its clients is found by its share, though the other half are answered.
func TestBackendThatFailsHalfIsFound(t *testing.T) {
	p := ejecting(t, Options{Ejection: Ejection{Share: 0.5}}, equal(4))
	a := backend(t, p, "a")
	for i := range windowMinimum {
		for _, b := range named(p, "bcd") {
			end(b, Served, i)
		}
		end(a, []Outcome{Died, Served}[i%2], i)
	}
	fail(a, 1, Died)
	if h := a.History(); a.State() != Ejected || !strings.Contains(h[0].Reason, "11 of 21 sessions failed") {
		t.Errorf("got %v with %+v, want ejected", a.State(), h)
	}
}

// Where one client was the last to meet a dead backend, it can't have it ejected again when it is back: another one
// can.
func TestOneClientEjectsNobodyAgain(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{Checks: true}, equal(2))
		a := backend(t, p, "a")
		for i := range 5 {
			end(a, Died, i)
		}
		pass(defaultHold)
		a.Readmit(byCheck("connected"))
		for range 100 {
			end(a, Died, 1)
		}
		if a.State() != Up {
			t.Fatalf("got %v by a client that is known, want up", a.State())
		}
		end(a, Died, 99)
		if a.State() != Ejected {
			t.Errorf("got %v by another client, want ejected", a.State())
		}
	})
}

// Suspicion asks for a check, whoever the clients are, and the check decides. One that passes is not asked for again
// until the row is twice as long.
func TestChecksDecideOnSuspicion(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{Checks: true}, equal(3))
		told := newDiary(p)
		a := backend(t, p, "a")
		for i := 1; i <= 20; i++ {
			end(a, Died, 1)
			if want := i == 5 || i == 10 || i == 20; a.Suspected() != want {
				t.Errorf("after %d sessions: suspected %v, want %v", i, a.Suspected(), want)
			}
			if i < 20 && a.Suspected() {
				a.Acquit()
			}
		}
		told.want(t)
		a.Convict(byCheck("a check failed: closed"))
		told.want(t, "0s a up→ejected until 5s by check: 20 sessions in a row failed before the first byte, and a check failed: closed")

		b := backend(t, p, "b")
		fail(b, 4, Died)
		b.Convict(byCheck("a check failed: closed"))
		end(b, Served, 7)
		fail(b, 4, Died)
		b.Convict(byCheck("a check failed: closed"))
		if b.State() != Up || b.Suspected() {
			t.Errorf("an answer ends the row: got %v, suspected %v", b.State(), b.Suspected())
		}
	})
}

// One client's sessions without an answer don't make least-time avoid a backend.
func TestDeathIsNoReasonToStandBack(t *testing.T) {
	p := ejecting(t, Options{Policy: LeastTime}, equal(2))
	a := backend(t, p, "a")
	for _, b := range p.Backends() {
		end(b, Served, 1)
	}
	before := a.connectCost()
	end(a, Died, 2)
	if after := a.connectCost(); after != before {
		t.Errorf("cost %v before and %v after, want the same", before, after)
	}
}

func TestOrigin(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8::1", "2001:db8::2", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"2001:db8::1%eth0", "2001:db8::1", true},
	} {
		a, b := originOf(netip.MustParseAddr(test.a)), originOf(netip.MustParseAddr(test.b))
		if (a == b) != test.same {
			t.Errorf("%s and %s: same %v, want %v", test.a, test.b, a == b, test.same)
		}
	}
}

// What is usual follows what is so now, within some thousand sessions.
func TestExperienceForgets(t *testing.T) {
	var x experience
	var own part
	for range 100_000 {
		x.count(&own, Died)
	}
	for range 4 * lateSessions {
		x.count(&own, Served)
	}
	if got := own.among(&x); got != x.late {
		t.Errorf("the part of the only backend: got %v, want all of %v", got, x.late)
	}
	if got := x.chance(x.all, 0, own.among(&x)); got > 0.1 {
		t.Errorf("after an attack long ago: got %v, want under 0.1", got)
	}
}

// One client has as much weight as those beside it, however often it comes: where a few others have had no answer
// either, its own do not make many of them.
func TestOneClientBesideUnluckyOnesEjectsNobody(t *testing.T) {
	p := ejecting(t, Options{Ejection: usually(), Policy: First}, equal(4))
	a := backend(t, p, "a")
	for i := range 2000 {
		end(a, Died, 1)
		if i%100 < 4 {
			end(a, Died, 2+i%100)
		}
		if i%3 == 0 {
			end(a, Served, 100+i)
		}
	}
	noneEjected(t, p)
}

// A backend that fails most of its sessions is found, however few they were before.
func TestBackendThatFailsMostIsFoundAfterAQuietTime(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{Ejection: Ejection{Share: 0.5}}, equal(2))
		a, b := backend(t, p, "a"), backend(t, p, "b")
		fails := func(n int) {
			for i := range n {
				end(b, Served, 1000+i)
				end(a, []Outcome{Died, Died, Served}[i%3], i)
			}
		}
		for range 100 {
			fails(10)
			time.Sleep(windowLength + time.Second)
		}
		for range 20 {
			fails(36)
			time.Sleep(windowLength + time.Second)
		}
		if a.State() != Ejected {
			t.Errorf("%v, want ejected", a.State())
		}
	})
}
