package l4

import (
	"context"
	"testing"
	"time"

	"forebay/l4/l4test"
	"forebay/pool"
)

// down has a check find the first backend down.
func (s *testServer) down() {
	s.Pool.Backends()[0].Judge(pool.Down, pool.Evidence{Witness: pool.Check, Reason: "it refuses"})
}

func TestSessionsOfABackendThatWentDown(t *testing.T) {
	for _, test := range []struct {
		choice OnDown
		cause  Cause
		end    func(*l4test.Peer)
	}{
		{KeepSessions, ClientClosed, func(p *l4test.Peer) { p.Send("y").Expect("y").CloseWrite().ExpectEOF() }},
		{DrainSessions, Drained, func(p *l4test.Peer) { p.ExpectEOF() }},
		{ResetSessions, BackendDown, func(p *l4test.Peer) { p.ExpectReset() }},
	} {
		t.Run(test.choice.String(), func(t *testing.T) {
			s := serve(t, func(s *Server) { s.OnDown = test.choice }, l4test.Echo(t).Addr(), l4test.Echo(t).Addr())
			first := l4test.Dial(t, s.addr).Send("x").Expect("x")
			second := l4test.Dial(t, s.addr).Send("x").Expect("x")
			s.down()
			test.end(first)
			if r := s.record(t, test.cause); r.Backend != s.Pool.Backends()[0].Name() {
				t.Errorf("a session of %s ended, want one of the backend that is down", r.Backend)
			}
			second.Send("y").Expect("y").CloseWrite().ExpectEOF()
			s.record(t, ClientClosed)
		})
	}
}

// TestEjectedBackendKeepsItsSessions has traffic speak against a backend, which says nothing about the sessions that it
// has.
func TestEjectedBackendKeepsItsSessions(t *testing.T) {
	s := serve(t, func(s *Server) { s.OnDown = ResetSessions }, l4test.Echo(t).Addr())
	p := l4test.Dial(t, s.addr).Send("x").Expect("x")
	s.wentDown(s.Pool.Backends()[0], pool.Transition{To: pool.Ejected})
	p.Send("y").Expect("y").CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
}

// TestDrainOfABackendThatIsDownEndsWithIt has it recover halfway: half of the sessions are left alone.
func TestDrainOfABackendThatIsDownEndsWithIt(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p, b := onePool(t)
		f := flock{began: time.Now()}
		for range 10 {
			f.add(t, p, sheep{name: "busy"})
		}
		began := time.Now()
		d := downDrain(b)
		d.Idle = 0
		f.drainage(d, func() bool { return time.Since(began) >= 15*time.Second }).run(t.Context())
		if len(f.gone) != 4 || len(f.sheep) != 6 {
			t.Errorf("%d went by the time the backend was up again, want the 4 that were due before the 15th of 30 seconds", len(f.gone))
		}
	})
}

// TestSessionsBegunWhileAllAreDownStay has two from before, one of which waits for an answer, and two that are begun
// after: those neither hurry the others, nor go when these do.
func TestSessionsBegunWhileAllAreDownStay(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) {
		if p.Expect("a").Send("b"); p.Receive(1)[0] == 'c' {
			p.Send("d").ExpectEOF()
		} else {
			p.ExpectReset()
		}
	})
	s := serve(t, nil, b.Addr())
	begin := func() *l4test.Peer { return l4test.Dial(t, s.addr).Send("a").Expect("b") }
	quiet, asking := begin().Send("c").Expect("d"), begin().Send("?")
	s.down()
	drainage := s.downDrainage(Drain{Backend: s.Pool.Backends()[0]})
	others := []*l4test.Peer{begin(), begin()}
	drain := func(spread, deadline time.Duration, until func(DrainProgress) bool) {
		t.Helper()
		drainage.Spread, drainage.Deadline = spread, deadline
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		drainage.Progress = func(p DrainProgress) {
			if until(p) {
				cancel()
			}
		}
		if err := drainage.run(ctx); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}
	looks := 0
	drain(time.Hour, 0, func(p DrainProgress) bool {
		if looks++; p.Left-p.Leaving != 2 && p.Elapsed < 30*time.Minute {
			t.Errorf("%d are left after %v, want both until half an hour has passed", p.Left-p.Leaving, p.Elapsed)
		}
		return looks == 3
	})
	drain(0, 0, func(p DrainProgress) bool { return p.Left == 1 })
	quiet.ExpectEOF()
	drain(0, 1, func(DrainProgress) bool { return false })
	asking.ExpectReset()
	for _, p := range others {
		p.Send("c").Expect("d").CloseWrite().ExpectEOF()
	}
}

func TestOnDownIsWritten(t *testing.T) {
	for _, o := range []OnDown{KeepSessions, DrainSessions, ResetSessions} {
		var read OnDown
		if err := read.UnmarshalText([]byte(o.String())); err != nil || read != o {
			t.Errorf("%v is read as %v (%v)", o, read, err)
		}
	}
	var o OnDown
	if err := o.UnmarshalText([]byte("kill")); err == nil || err.Error() != `"kill" is none of keep, drain and reset` {
		t.Errorf("got %v", err)
	}
}
