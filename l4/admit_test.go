package l4

import (
	"testing"
	"time"

	"forebay/l4/l4test"
)

// limited starts a Server with limits before an echo.
func limited(t *testing.T, l Limits) *testServer {
	t.Helper()
	return serve(t, func(s *Server) { s.Limits = l }, l4test.Echo(t).Addr())
}

func accessOf(allow, deny []Range) *Access {
	a := &Access{}
	a.Set(allow, deny)
	return a
}

func TestDeniedClientIsReset(t *testing.T) {
	a := accessOf(nil, prefixes("127.0.0.0/8"))
	s := limited(t, Limits{Access: a})
	l4test.Dial(t, s.addr).ExpectReset()
	if r := s.record(t, Denied); len(r.Tries) != 0 {
		t.Errorf("a backend was tried: %+v", r.Tries)
	}
	a.Set(nil, nil) // which holds for the next one
	l4test.Dial(t, s.addr).Send("x").Expect("x").CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
	if n := s.Snapshot().Causes[Denied]; n != 1 {
		t.Errorf("%d denied clients are counted, want 1", n)
	}
}

// TestRefusalMayBeAnEnd has clients that send something, before they are turned away or in the middle of it: none may
// be reset by that.
func TestRefusalMayBeAnEnd(t *testing.T) {
	s := limited(t, Limits{Access: accessOf(nil, prefixes("127.0.0.0/8")), OnLimit: Close})
	for range 500 {
		l4test.Dial(t, s.addr).Send("hello").ExpectEOF().Close()
		s.record(t, Denied)
	}
}

func TestClientConnsAreLimited(t *testing.T) {
	s := limited(t, Limits{ClientConns: 2})
	one := l4test.Dial(t, s.addr).Send("x").Expect("x")
	two := l4test.Dial(t, s.addr).Send("x").Expect("x")
	l4test.Dial(t, s.addr).ExpectReset()
	s.record(t, OverConns)
	one.CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
	three := l4test.Dial(t, s.addr).Send("x").Expect("x")
	two.Reset()
	s.record(t, ClientReset)
	three.CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
	l4test.Dial(t, s.addr).Send("x").Expect("x").CloseWrite().ExpectEOF()
}

func TestClientRateIsLimited(t *testing.T) {
	s := limited(t, Limits{ClientRate: Rate{2, time.Hour}})
	for range 2 {
		l4test.Dial(t, s.addr).Send("x").Expect("x").CloseWrite().ExpectEOF()
		s.record(t, ClientClosed)
	}
	l4test.Dial(t, s.addr).ExpectReset()
	s.record(t, OverRate)
	if n := s.Snapshot().Sources; n != 1 {
		t.Errorf("%d sources are remembered, want 1", n)
	}
}

// TestSourceIsTheOneThatAHeaderNames has one balancer introduce several clients: each has its own limit, and the
// balancer has none.
func TestSourceIsTheOneThatAHeaderNames(t *testing.T) {
	s := serve(t, func(s *Server) {
		s.ProxyIn = prefixes("127.0.0.0/8")
		s.Limits = Limits{ClientConns: 1, Access: accessOf(nil, prefixes("203.0.113.0/24"))}
	}, l4test.Echo(t).Addr())
	introduce := func(client string) *l4test.Peer {
		return l4test.Dial(t, s.addr).Send("PROXY TCP4 " + client + " 192.0.2.80 40000 80\r\n")
	}
	introduce("198.51.100.1").Send("x").Expect("x")
	introduce("198.51.100.2").Send("x").Expect("x")
	introduce("198.51.100.1").ExpectReset()
	s.record(t, OverConns)
	introduce("203.0.113.9").ExpectReset()
	if r := s.record(t, Denied); r.Client.String() != "203.0.113.9:40000" {
		t.Errorf("%v was denied", r.Client)
	}
}

// TestDelayedClientComesInWhenThereIsRoom and is reset otherwise, when its time is over.
func TestDelayedClientComesInWhenThereIsRoom(t *testing.T) {
	const delay = 300 * time.Millisecond
	s := limited(t, Limits{ClientConns: 1, OnLimit: Delay, LimitDelay: delay})
	l4test.Dial(t, s.addr).Send("x").Expect("x")
	began := time.Now()
	l4test.Dial(t, s.addr).ExpectReset()
	if r := s.record(t, OverConns); r.Total < delay || time.Since(began) < delay {
		t.Errorf("reset after %v, want %v", r.Total, delay)
	}
	s = limited(t, Limits{ClientConns: 1, OnLimit: Delay, LimitDelay: 2 * time.Second})
	one := l4test.Dial(t, s.addr).Send("x").Expect("x")
	two := l4test.Dial(t, s.addr).Send("x")
	l4test.Await(t, 5*time.Second, "the client is kept waiting", func() bool { return s.Snapshot().Delayed == 1 })
	one.CloseWrite().ExpectEOF()
	two.Expect("x")
	if n := s.Snapshot().Delayed; n != 0 {
		t.Errorf("%d clients are still kept", n)
	}
}

func TestDelayedClientMayLeave(t *testing.T) {
	s := limited(t, Limits{Access: accessOf(nil, prefixes("127.0.0.0/8")), OnLimit: Delay, LimitDelay: time.Hour})
	p := l4test.Dial(t, s.addr)
	l4test.Await(t, 5*time.Second, "the client is kept waiting", func() bool { return s.Snapshot().Delayed == 1 })
	p.Close()
	s.record(t, ClientLeft)
	if n := s.Snapshot().Delayed; n != 0 {
		t.Errorf("%d clients are still kept", n)
	}
}

// TestFewAreDelayed has more clients denied than may be kept: the others are reset at once.
func TestFewAreDelayed(t *testing.T) {
	s := serve(t, func(s *Server) {
		s.MaxConns = 2 * delayedShare
		s.Limits = Limits{Access: accessOf(nil, prefixes("127.0.0.0/8")), OnLimit: Delay, LimitDelay: time.Hour}
	}, l4test.Echo(t).Addr())
	for range 2 {
		l4test.Dial(t, s.addr)
	}
	l4test.Await(t, 5*time.Second, "two clients are kept waiting", func() bool { return s.Snapshot().Delayed == 2 })
	l4test.Dial(t, s.addr).ExpectReset()
	s.record(t, Denied)
}

// TestListenersRateLeavesClientsInItsQueue has four clients come at once where two may, and two more in a second.
func TestListenersRateLeavesClientsInItsQueue(t *testing.T) {
	s := limited(t, Limits{AcceptRate: Rate{2, time.Second}})
	began := time.Now()
	var peers []*l4test.Peer
	for range 4 {
		peers = append(peers, l4test.Dial(t, s.addr).Send("x"))
	}
	for i, p := range peers {
		p.Expect("x")
		if took, least := time.Since(began), time.Duration(i-1)*time.Second/2; took < least-10*time.Millisecond {
			t.Errorf("client %d was accepted after %v, want %v", i, took, least)
		}
	}
	if n := s.Snapshot().AcceptWaits; n == 0 {
		t.Error("no wait is counted")
	}
}

// TestDrainTakesWhatTheRateLeft has clients wait in the queue of a listener that is about to be closed: they are
// served, not reset.
func TestDrainTakesWhatTheRateLeft(t *testing.T) {
	s := limited(t, Limits{AcceptRate: Rate{1, time.Hour}})
	one := l4test.Dial(t, s.addr).Send("1").Expect("1")
	two := l4test.Dial(t, s.addr).Send("2")
	l4test.Await(t, 5*time.Second, "the second client waits", func() bool { return s.Snapshot().AcceptWaits > 0 })
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	two.Expect("2").CloseWrite().ExpectEOF()
	one.CloseWrite().ExpectEOF()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestRestingLoopKeepsToTheRate has a loop stop accepting while its listener goes on: that is no reason to take all at
// once.
func TestRestingLoopKeepsToTheRate(t *testing.T) {
	s := serve(t, func(s *Server) { s.Loops, s.Limits = 2, Limits{AcceptRate: Rate{1, time.Hour}} }, l4test.Echo(t).Addr())
	l4test.Dial(t, s.addr).Send("1").Expect("1")
	l4test.Dial(t, s.addr).Send("2")
	l4test.Await(t, 5*time.Second, "the second client waits", func() bool { return s.Snapshot().AcceptWaits > 0 })
	s.loops[1].post(s.loops[1].takeRest)
	for _, l := range []*loop{s.loops[1], s.loops[0], s.loops[0]} { // the rest, what it posts, and what that does
		turned := make(chan struct{})
		l.post(func() { close(turned) })
		<-turned
	}
	if n := s.Snapshot().Accepted; n != 1 {
		t.Errorf("%d clients were accepted, want 1", n)
	}
}

// TestUnlimitedSessionAsksNobody holds that a Server without limits has no doorkeeper.
func TestUnlimitedSessionAsksNobody(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Limits
		asks   bool
	}{
		{"none", Limits{}, false},
		{"of a listener", Limits{AcceptRate: Rate{1, time.Second}, OnLimit: Close}, false},
		{"access", Limits{Access: &Access{}}, true},
		{"conns", Limits{ClientConns: 1}, true},
		{"rate", Limits{ClientRate: Rate{1, time.Second}}, true},
		{"bandwidth", Limits{SessionDownload: Rate{1, time.Second}}, true},
		{"shared bandwidth", Limits{ClientUpload: Rate{1, time.Second}}, true},
		{"progress", Limits{LeastProgress: Rate{1, time.Second}}, true},
	} {
		if d := newDoorkeeper(&c.limits, 100); (d != nil) != c.asks {
			t.Errorf("%s: there is a doorkeeper: %v, want %v", c.name, d != nil, c.asks)
		}
	}
}
