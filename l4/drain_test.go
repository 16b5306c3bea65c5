package l4

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"forebay/l4/l4test"
	"forebay/pool"
)

// A flock is a herd without sockets.
type flock struct {
	sheep []*sheep
	gone  []departure
	began time.Time
	slow  time.Duration // how long a roll takes
	rolls int
}

// A sheep is a session. One that speaks by itself is never still.
type sheep struct {
	name   string
	lease  pool.Lease
	moved  time.Time
	busy   bool // a byte has just moved, at any time
	asking bool // the client spoke last
}

type departure struct {
	name string
	at   time.Duration
	why  Cause
}

func (f *flock) roll(func(*session) bool) roll {
	time.Sleep(f.slow)
	f.rolls++
	r := roll{found: len(f.sheep), leaving: map[*pool.Backend]int{}}
	for i, s := range f.sheep {
		still := time.Since(s.moved)
		if s.busy {
			still = 0
		}
		r.oldest = max(r.oldest, time.Since(f.began))
		r.marks = append(r.marks, mark{session: ref{slot: int32(i)}, backend: s.lease.Backend(), still: still, quiet: still >= calm && !s.asking})
	}
	return r
}

func (f *flock) conclude(marks []mark, why Cause) {
	var chosen []*sheep
	for _, m := range marks {
		chosen = append(chosen, f.sheep[m.session.slot])
	}
	f.end(why, func(s *sheep) bool { return slices.Contains(chosen, s) })
}

func (f *flock) reset(_ func(*session) bool, why Cause) {
	f.end(why, func(*sheep) bool { return true })
}

func (f *flock) end(why Cause, which func(*sheep) bool) {
	f.sheep = slices.DeleteFunc(f.sheep, func(s *sheep) bool {
		if !which(s) {
			return false
		}
		s.lease.Done(pool.Served)
		f.gone = append(f.gone, departure{s.name, time.Since(f.began), why})
		return true
	})
}

// add gives the flock a session on whichever backend p picks.
func (f *flock) add(t *testing.T, p *pool.Pool, s sheep) {
	t.Helper()
	lease, err := p.Pick(&pool.Request{})
	if err != nil {
		t.Fatal(err)
	}
	s.lease, s.moved = lease, time.Now()
	f.sheep = append(f.sheep, &s)
}

// onePool returns a pool of one backend.
func onePool(t *testing.T) (*pool.Pool, *pool.Backend) {
	t.Helper()
	p, err := pool.New(pool.Options{}, []pool.Config{backend(t, "127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	return p, p.Backends()[0]
}

// drain lets d go on in f, and returns what it told last.
func (f *flock) drain(ctx context.Context, d Drain) (last DrainProgress, err error) {
	f.began = time.Now()
	d.Progress = func(p DrainProgress) { last = p }
	d.Backend.Drain()
	err = f.drainage(d, func() bool { return !d.Backend.Draining() }).run(ctx)
	return last, err
}

func (f *flock) drainage(d Drain, off func() bool) drainage {
	return drainage{Drain: d, herd: f, quit: make(chan struct{}), cut: DrainCut, left: func(r roll) int { return r.found }, off: off}
}

// TestDrainKeepsItsPace has ten quiet sessions go, of which none counts as idle: one each second.
func TestDrainKeepsItsPace(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p, b := onePool(t)
		var f flock
		for _, name := range strings.Split("abcdefghij", "") {
			f.add(t, p, sheep{name: name})
			time.Sleep(time.Millisecond) // so that the first has been still for longest
		}
		if _, err := f.drain(t.Context(), Drain{Backend: b, Spread: 10 * time.Second}); err != nil {
			t.Fatal(err)
		}
		for i, g := range f.gone {
			want := departure{string("abcdefghij"[i]), time.Duration(i+1) * time.Second, Drained}
			if g != want {
				t.Errorf("%v went, want %v", g, want)
			}
		}
		if len(f.gone) != 10 {
			t.Errorf("%d went, want all 10", len(f.gone))
		}
	})
}

// TestDrainEndsIdleSessionsFirst has five of ten be idle: they go ten times as fast, and then the pace has to catch up.
func TestDrainEndsIdleSessionsFirst(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p, b := onePool(t)
		var f flock
		for range 5 {
			f.add(t, p, sheep{name: "idle", asking: true}) // what counts is how long it has been still
		}
		time.Sleep(19 * time.Second)
		for range 5 {
			f.add(t, p, sheep{name: "late"})
		}
		time.Sleep(time.Second)
		if _, err := f.drain(t.Context(), Drain{Backend: b, Idle: 20 * time.Second, Spread: 20 * time.Second}); err != nil {
			t.Fatal(err)
		}
		want := []departure{}
		for i := range 5 {
			want = append(want, departure{"idle", time.Duration(i+1) * 200 * time.Millisecond, Drained})
		}
		for i := range 4 { // the pace is at five after 10 s; the last would have its turn at 20 s, and is idle at 19 s
			want = append(want, departure{"late", 12*time.Second + time.Duration(i)*2*time.Second, Drained})
		}
		want = append(want, departure{"late", 19 * time.Second, Drained})
		if !slices.Equal(f.gone, want) {
			t.Errorf("went %v, want %v", f.gone, want)
		}
	})
}

// TestDrainCutsWhatIsBusyAtTheDeadline has one session that never gets quiet, and one whose client waits for an answer.
func TestDrainCutsWhatIsBusyAtTheDeadline(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p, b := onePool(t)
		var f flock
		f.add(t, p, sheep{name: "busy", busy: true})
		f.add(t, p, sheep{name: "asking", asking: true})
		last, err := f.drain(t.Context(), Drain{Backend: b, Spread: 2 * time.Second, Deadline: 5 * time.Second})
		want := []departure{{"busy", 5 * time.Second, DrainCut}, {"asking", 5 * time.Second, DrainCut}}
		if err != nil || !slices.Equal(f.gone, want) {
			t.Errorf("went %v, want %v (%v)", f.gone, want, err)
		}
		if want := (DrainProgress{Elapsed: 5 * time.Second, Total: 2, Cut: 2}); last != want {
			t.Errorf("at the end %+v was told, want %+v", last, want)
		}
	})
}

func TestDrainTellsWhatIsLeft(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p, b := onePool(t)
		f := flock{began: time.Now()}
		f.add(t, p, sheep{name: "busy", busy: true})
		f.add(t, p, sheep{name: "quiet"})
		for _, test := range []struct {
			deadline, after, eta time.Duration
			left                 int
		}{
			{10 * time.Second, 0, 4 * time.Second, 2},
			{10 * time.Second, 3 * time.Second, time.Second, 1},
			{10 * time.Second, 6 * time.Second, 4 * time.Second, 1},
			{0, 8 * time.Second, -1, 1},
		} {
			time.Sleep(test.after - time.Since(f.began))
			d := f.drainage(Drain{Backend: b, Spread: 4 * time.Second, Deadline: test.deadline}, func() bool { return false })
			got := d.look(test.after, 2)
			want := DrainProgress{Elapsed: test.after, Total: 2, Left: test.left, Oldest: test.after, ETA: test.eta}
			if got.Leaving = 0; got != want {
				t.Errorf("after %v: got %+v, want %+v", test.after, got, want)
			}
		}
	})
}

func TestDrainEndsWhenTheBackendIsResumed(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p, b := onePool(t)
		var f flock
		f.add(t, p, sheep{name: "a"})
		time.AfterFunc(3100*time.Millisecond, b.Resume)
		last, err := f.drain(t.Context(), Drain{Backend: b, Spread: time.Minute})
		if !errors.Is(err, ErrResumed) || last.Elapsed != 3200*time.Millisecond || last.Left != 1 {
			t.Errorf("ended with %v and %+v, want ErrResumed at the next look, after 3.2s, and one left", err, last)
		}
	})
}

// TestResumedBackendIsNotCut has the operator think better of it in the last moment.
func TestResumedBackendIsNotCut(t *testing.T) {
	for name, change := range map[string]func(b *pool.Backend, cancel func()){
		"resumed":  func(b *pool.Backend, _ func()) { b.Resume() },
		"canceled": func(_ *pool.Backend, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			l4test.Bubble(t, func(t *testing.T) {
				p, b := onePool(t)
				var f flock
				f.add(t, p, sheep{name: "busy", busy: true})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(4900*time.Millisecond, func() { change(b, cancel) })
				if _, err := f.drain(ctx, Drain{Backend: b, Deadline: 5 * time.Second}); err == nil || len(f.gone) > 0 {
					t.Errorf("%v went, and it ended with %v; want none to, and an error", f.gone, err)
				}
			})
		})
	}
}

func TestDrainEndsWithItsContext(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p, b := onePool(t)
		var f flock
		f.add(t, p, sheep{name: "a"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.drain(ctx, Drain{Backend: b, Spread: time.Minute}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended with %v, want the context's error", err)
		}
		if !b.Draining() {
			t.Error("the backend takes sessions again")
		}
	})
}

// TestLooksThatTakeLongAreRare has a minute's drain look at as many sessions as take it so long.
func TestLooksThatTakeLongAreRare(t *testing.T) {
	for slow, want := range map[time.Duration]int{
		0:                      301,
		10 * time.Millisecond:  287, // 10 ms and 200 ms
		100 * time.Millisecond: 30,  // 100 ms and 2 s
		time.Second:            11,  // 1 s and 5 s
	} {
		l4test.Bubble(t, func(t *testing.T) {
			p, b := onePool(t)
			f := flock{slow: slow}
			f.add(t, p, sheep{name: "busy", busy: true})
			if _, err := f.drain(t.Context(), Drain{Backend: b, Deadline: time.Minute}); err != nil || f.rolls != want {
				t.Errorf("where one takes %v, there were %d looks, want %d (%v)", slow, f.rolls, want, err)
			}
		})
	}
}

func TestFaultyDrains(t *testing.T) {
	_, b := onePool(t)
	s := DefaultServer(nil)
	for name, d := range map[string]Drain{
		"no backend":                 {},
		"none may be negative":       {Backend: b, Idle: -1},
		"leaves no time to spread":   {Backend: b, Spread: time.Minute, Deadline: time.Second},
		"the times 0s, -1ns and 0s:": {Backend: b, Spread: -1},
	} {
		if err := s.Drain(t.Context(), d); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: got %v, want an error with %q", d, err, name)
		}
		if b.Draining() {
			t.Errorf("%+v: the backend drains", d)
		}
	}
}

// drain drains the first backend, and fails if that does not end in time.
func (s *testServer) drain(t *testing.T, d Drain) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d.Backend = s.Pool.Backends()[0]
	if err := s.Drain(ctx, d); err != nil {
		t.Errorf("the drain ended with %v, %d sessions are left", err, d.Backend.Active())
	}
}

// TestDrainConcludes looks at what both sides of a session see.
func TestDrainConcludes(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("ping").Send("pong").ExpectEOF().Send("bye") })
	s := serve(t, nil, b.Addr())
	p := l4test.Dial(t, s.addr).Send("ping").Expect("pong")
	s.drain(t, Drain{})
	p.Expect("bye").ExpectEOF()
	r := s.record(t, Drained)
	if r.FromBackend != 7 || r.ToClient != 7 {
		t.Errorf("%d bytes from the backend and %d to the client, want 7 each", r.FromBackend, r.ToClient)
	}
	b.AwaitDone(1)
	l4test.Dial(t, s.addr).ExpectReset()
	s.record(t, NoBackend)
}

func TestDrainConcludesOverTLS(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, func(s *Server) { s.TLS, s.BackendTLS = id.server(), id.backendTLS }, serveTLS(t, id.server(), echoTLS))
	c := dialTLS(t, s.addr, id.client())
	say(t, c, "ping")
	expect(t, c, "ping")
	s.drain(t, Drain{})
	if n, err := c.Read(make([]byte, 1)); err == nil || err.Error() != "EOF" {
		t.Errorf("read %d bytes and %v, want the end that close_notify makes", n, err)
	}
	s.record(t, Drained)
}

// TestRequestUnderWayIsNotConcluded has a backend take its time: the session ends when it has answered.
func TestRequestUnderWayIsNotConcluded(t *testing.T) {
	answer := make(chan struct{})
	b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("ping"); <-answer; p.Send("pong").ExpectEOF() })
	s := serve(t, nil, b.Addr())
	p := l4test.Dial(t, s.addr).Send("ping")
	l4test.Await(t, 5*time.Second, "the request is under way", func() bool { return s.has(relaying) })
	looks := 0
	d := Drain{Progress: func(got DrainProgress) {
		if looks++; looks == 4 { // the session is older than what calm asks for by now
			if got.Left != 1 || got.Leaving != 0 || got.Total != 1 {
				t.Errorf("told %+v, want one left, and that not leaving", got)
			}
			close(answer)
		}
	}}
	s.drain(t, d)
	p.Expect("pong").ExpectEOF()
	s.record(t, Drained)
}

// TestFlowThatWaitsForBandwidthIsNotConcluded has an answer, and then a request, be held back by Forebay itself: such a
// session is neither quiet nor idle, though nothing has moved for long.
func TestFlowThatWaitsForBandwidthIsNotConcluded(t *testing.T) {
	rate := Rate{1, time.Hour}
	for name, test := range map[string]struct {
		limits Limits
		script func(*l4test.Peer)
		play   func(*l4test.Peer)
	}{
		"an answer": {Limits{SessionDownload: rate},
			func(p *l4test.Peer) { p.Send("ab").ExpectReset() }, func(p *l4test.Peer) { p.Expect("a") }},
		"a request": {Limits{SessionUpload: rate},
			func(p *l4test.Peer) { p.Expect("a").Send("b").ExpectReset() }, func(p *l4test.Peer) { p.Send("ac").Expect("b") }},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(s *Server) { s.Limits = test.limits }, l4test.Serve(t, test.script).Addr())
			p := l4test.Dial(t, s.addr)
			test.play(p)
			s.drain(t, Drain{Idle: 2 * calm, Deadline: 7 * calm, Progress: func(got DrainProgress) {
				if got.Leaving > 0 {
					t.Errorf("after %v %d sessions are leaving, want none", got.Elapsed, got.Leaving)
				}
			}})
			s.record(t, DrainCut)
			p.ExpectReset()
		})
	}
}

func TestDeadlineCutsByReset(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("ping"); p.ExpectReset() })
	s := serve(t, nil, b.Addr())
	p := l4test.Dial(t, s.addr).Send("ping")
	l4test.Await(t, 5*time.Second, "the request is under way", func() bool { return s.has(relaying) })
	cut := 0
	s.drain(t, Drain{Deadline: time.Millisecond, Progress: func(p DrainProgress) { cut = p.Cut }})
	p.ExpectReset()
	s.record(t, DrainCut)
	if cut != 1 {
		t.Errorf("told that %d sessions were cut, want 1", cut)
	}
	b.AwaitDone(1)
}

// TestWhatCrossesTheEndIsRefused has the client say more after its session was concluded, and before it could know.
func TestWhatCrossesTheEndIsRefused(t *testing.T) {
	concluded, said := make(chan struct{}), make(chan struct{})
	b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("a").Send("b").ExpectEOF(); close(concluded); <-said })
	s := serve(t, nil, b.Addr())
	p := l4test.Dial(t, s.addr).Send("a").Expect("b")
	ended := make(chan struct{})
	go func() { s.drain(t, Drain{}); close(ended) }()
	<-concluded
	p.Send("more").AwaitAcked()
	close(said)
	p.ExpectReset()
	<-ended
	if r := s.record(t, Drained); r.FromClient != 1 {
		t.Errorf("%d bytes were taken from the client, want the 1 that was answered", r.FromClient)
	}
}

// answerSize is what the kernel can hold for a client that takes nothing, whatever its buffers.
const answerSize = 40 << 10

// linger has a session be concluded while the kernel holds most of an answer for a slow client, who asked for it by
// "get".
func (s *testServer) linger(t *testing.T, b *l4test.Backend) {
	t.Helper()
	l4test.Await(t, 5*time.Second, "the answer has been passed on", func() (passed bool) {
		s.onLoops(func(l *loop) {
			passed = slices.ContainsFunc(l.slots, func(at slot) bool {
				return at.session != nil && at.session.down.written == answerSize && at.session.quiet()
			})
		})
		return passed
	})
	go s.Drain(t.Context(), Drain{Backend: s.Pool.Backends()[0]})
	b.AwaitDone(1)
	l4test.Await(t, 5*time.Second, "the session lingers", func() bool { return s.has(lingering) })
}

// TestConcludedAnswerReachesASlowClient has the client say more when its backend has finished. Nobody will read that,
// but it must not cost the client what is still to come.
func TestConcludedAnswerReachesASlowClient(t *testing.T) {
	for name, test := range map[string]struct {
		play  func(*l4test.Peer)
		cause Cause
	}{
		"and it takes it":      {func(p *l4test.Peer) { p.Send("more").AwaitAcked().ExpectContent(1, answerSize) }, Drained},
		"and it finishes":      {func(p *l4test.Peer) { p.CloseWrite().ExpectContent(1, answerSize).ExpectEOF() }, Drained},
		"and it says much":     {func(p *l4test.Peer) { p.SendContent(2, 64<<10).ExpectContent(1, answerSize) }, Drained},
		"but it takes no more": {func(p *l4test.Peer) { p.Send("more") }, HalfClosed},
		"but it resets":        {(*l4test.Peer).Reset, ClientReset},
	} {
		t.Run(name, func(t *testing.T) {
			b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("get").SendContent(1, answerSize).ExpectEOF() })
			s := serve(t, func(s *Server) { s.HalfCloseTimeout = time.Second }, b.Addr())
			p := l4test.DialNarrow(t, s.addr, 4096).Send("get")
			s.linger(t, b)
			test.play(p)
			r := s.record(t, test.cause)
			if test.cause == Drained && (r.ToClient != answerSize || r.ClientTCP.Unacked != 0 || r.FromClient != 3) {
				t.Errorf("%d bytes went to the client and %d are missing, want %d and none; %d came from it, want 3",
					r.ToClient, r.ClientTCP.Unacked, answerSize, r.FromClient)
			}
		})
	}
}

func TestConcludedAnswerReachesASlowClientOverTLS(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("get").SendContent(1, answerSize).ExpectEOF() })
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, b.Addr())
	c := tls.Client(l4test.DialNarrow(t, s.addr, 4096).Conn(), id.client())
	say(t, c, "get")
	s.linger(t, b)
	say(t, c, "more")
	want, _ := io.ReadAll(l4test.Content(1, answerSize))
	expect(t, c, string(want))
	s.record(t, Drained)
}

// TestLastLookSparesASession has something happen to a session between the moment it is chosen and that in which it
// would be concluded.
func TestLastLookSparesASession(t *testing.T) {
	for name, happen := range map[string]func(*l4test.Peer, *mark){
		"a request has come":      func(p *l4test.Peer, _ *mark) { p.Send("y").AwaitAcked() },
		"a byte has moved":        func(_ *l4test.Peer, m *mark) { m.still = time.Hour },
		"another has its place":   func(_ *l4test.Peer, m *mark) { m.session.age-- },
		"the loop has fewer than": func(_ *l4test.Peer, m *mark) { m.session.slot = 1 << 20 },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil, l4test.Echo(t).Addr())
			p := l4test.Dial(t, s.addr).Send("x").Expect("x")
			var found []mark
			l4test.Await(t, 5*time.Second, "the session may be concluded", func() bool {
				found = s.roll(func(*session) bool { return true }).marks
				return len(found) == 1
			})
			s.onLoops(func(l *loop) {
				happen(p, &found[0])
				l.concludeMarked(found[0], Drained)
			})
			if name == "a request has come" {
				p.Expect("y")
			}
			p.Send("z").Expect("z").CloseWrite().ExpectEOF()
			s.record(t, ClientClosed)
		})
	}
}

// TestDrainOfManySessions has more than one slice, on two loops, and sessions of another backend, which stay.
func TestDrainOfManySessions(t *testing.T) {
	const each = 2 * sliceLength
	one, other := l4test.Echo(t), l4test.Echo(t)
	s := serve(t, func(s *Server) { s.Loops = 2 }, one.Addr(), other.Addr())
	var peers []*l4test.Peer
	for range 2 * each {
		peers = append(peers, l4test.Dial(t, s.addr).Send("x").Expect("x"))
	}
	s.drain(t, Drain{})
	for range each {
		s.record(t, Drained)
	}
	if n := s.Snapshot().Sessions; n != each {
		t.Errorf("%d sessions are left, want the %d of the other backend", n, each)
	}
	s.Reset(s.Pool.Backends()[1], BackendDown)
	for range each {
		s.record(t, BackendDown)
	}
	for _, p := range peers {
		p.Close()
	}
}

func TestDrainEndsWithTheServer(t *testing.T) {
	s := serve(t, nil, l4test.Discard(t).Addr())
	l4test.Dial(t, s.addr).Send("x")
	l4test.Await(t, 5*time.Second, "the session is relayed", func() bool { return s.has(relaying) })
	d := Drain{Backend: s.Pool.Backends()[0], Progress: func(DrainProgress) { go s.Stop() }}
	if err := s.Drain(t.Context(), d); err != nil && !errors.Is(err, ErrNotServing) {
		t.Errorf("got %v, want nil or ErrNotServing", err)
	}
}
