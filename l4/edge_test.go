package l4

import (
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
	"forebay/pool"
)

// pass lets time go by that a limit counts.
func pass(d time.Duration) { <-time.After(d) }

func TestOrderlyEndOfAnIdleSession(t *testing.T) {
	s := serve(t, func(s *Server) { s.HalfCloseTimeout = 1500 * time.Millisecond }, l4test.Echo(t).Addr())
	p := l4test.Dial(t, s.addr).Send("x").Expect("x")
	pass(1600 * time.Millisecond) // longer than a half-closed session may stand still, which this one is not yet
	p.CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
}

// TestSlowReaderIsNotStill has a client read what the kernel holds for it long after the backend has finished: nothing
// moves through the loop any more, and the session is not still.
func TestSlowReaderIsNotStill(t *testing.T) {
	const size, limit = 256 << 10, 1500 * time.Millisecond
	b := l4test.Serve(t, func(p *l4test.Peer) { p.SendContent(1, size).CloseWrite(); <-p.Ended() })
	s := serve(t, func(s *Server) { s.HalfCloseTimeout = limit }, b.Addr())
	p := l4test.DialNarrow(t, s.addr, 16<<10)
	for range 32 {
		l4test.Pace(t, 60*time.Millisecond, limit)
		p.Receive(size / 32)
	}
	p.CloseWrite().ExpectEOF()
}

// TestResetOfTheSideDeliveredTo has the client reset while it is owed the last bytes of a backend that did so before.
func TestResetOfTheSideDeliveredTo(t *testing.T) {
	b := l4test.Dying(t, 1, 1<<20)
	s := serve(t, func(s *Server) { s.HalfCloseTimeout = time.Hour }, b.Addr())
	p := l4test.DialNarrow(t, s.addr, 4096)
	l4test.Await(t, patience, "the reset is being delivered", func() bool { return s.has(delivering) })
	p.Reset()
	s.record(t, BackendReset)
}

// has asks the first loop whether a session has come to a stage.
func (s *testServer) has(at stage) bool {
	found := make(chan bool)
	l := s.loops[0]
	l.post(func() {
		for _, x := range l.slots {
			if x.session != nil && x.session.stage == at {
				found <- true
				return
			}
		}
		found <- false
	})
	return <-found
}

func TestEachAddressOfABackendHasItsTime(t *testing.T) {
	server := &Server{ConnectTimeout: time.Second, Tries: 3}
	second := attempt{began: 0, opened: int64(time.Second)}
	if got, want := (&setup{}).giveUp(&second, server), 2*time.Second; got != int64(want) {
		t.Errorf("the second address is given up at %v, want %v", time.Duration(got), want)
	}
}

// TestQueueingIsNotConnecting has a client wait for longer than all tries may take together.
func TestQueueingIsNotConnecting(t *testing.T) {
	b := backend(t, l4test.BlackHole(t))
	b.MaxConns = 1
	s := servePool(t, func(s *Server) { s.ConnectTimeout, s.Tries = 300*time.Millisecond, 1 }, pool.Options{Queue: 1}, b)
	lease, err := s.Pool.Pick(&pool.Request{})
	if err != nil {
		t.Fatal(err)
	}
	p := l4test.Dial(t, s.addr)
	l4test.Await(t, patience, "the client waits", func() bool { return s.Pool.Snapshot().Waiting == 1 })
	pass(500 * time.Millisecond)
	lease.Done(pool.Served)
	p.ExpectReset()
	if r := s.record(t, ConnectFailed); r.Tries[0].Took < 300*time.Millisecond {
		t.Errorf("the try was given up after %v, want 300ms", r.Tries[0].Took)
	}
}

func TestLifetimeHoldsInTheQueue(t *testing.T) {
	b := backend(t, l4test.Echo(t).Addr())
	b.MaxConns = 1
	s := servePool(t, func(s *Server) { s.MaxLifetime, s.LifetimeJitter = 200*time.Millisecond, 0 }, pool.Options{Queue: 1}, b)
	lease, err := s.Pool.Pick(&pool.Request{})
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Done(pool.Served)
	l4test.Dial(t, s.addr).ExpectReset()
	s.record(t, Lifetime)
}

func TestHedgeThatCannotStartSetsNoClock(t *testing.T) {
	server := &Server{ConnectTimeout: time.Second, Tries: 1, HedgeAfter: time.Millisecond}
	c := &setup{}
	c.request.Tried = c.tried[:1]
	if due := c.deadline(server); due != never {
		t.Errorf("with no try left and none under way, the clock is set to %v", time.Duration(due))
	}
}

// TestEventOfALostTryIsNobodys looks up sockets by the numbers that events carry.
func TestEventOfALostTryIsNobodys(t *testing.T) {
	s := &session{backend: side{number: 2}}
	if s.side(2) != &s.backend || s.side(clientNumber) != &s.client {
		t.Error("an event does not reach its socket")
	}
	if s.side(1) != nil {
		t.Error("an event of the first try reaches the second one's socket")
	}
}

func TestLoneUrgentByteIsPassedOn(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) {
		raw, err := p.Conn().(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Error(err)
			return
		}
		raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_OOBINLINE, 1) })
		p.Expect("a").Send("k").Expect("!")
		p.Send("k")
	})
	s := serve(t, nil, b.Addr())
	l4test.Dial(t, s.addr).Send("a").Expect("k").SendUrgent('!').Expect("k").CloseWrite().ExpectEOF()
}

func TestNothingIsPostedToALoopThatEnded(t *testing.T) {
	s := serve(t, nil, l4test.Echo(t).Addr())
	l := s.loops[0]
	s.Stop()
	l4test.Await(t, patience, "the loop has ended", func() bool { return !l.post(func() {}) })
	s.Stop() // must neither hang nor touch what is closed
}

// TestRestEndsAPause has a loop rest while it does not accept for want of descriptors, and wake up.
func TestRestEndsAPause(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	s := serve(t, func(s *Server) { s.Loops = 0 }, l4test.Echo(t).Addr())
	second, err := s.startLoop()
	if err != nil {
		t.Fatal(err)
	}
	accepts := make(chan bool)
	second.post(func() {
		second.pauseAccepting(syscall.EMFILE)
		second.takeRest()
		second.wakeUp()
		accepts <- !second.accept.paused && len(second.accept.listeners) > 0
	})
	if !<-accepts {
		t.Error("it does not accept, and no clock will change that")
	}
}

// TestShutdownBesideServe has both begin at once.
func TestShutdownBesideServe(t *testing.T) {
	p, err := pool.New(pool.Options{}, nil)
	if err != nil {
		t.Skip(err)
	}
	s := DefaultServer(p)
	ended := make(chan error)
	go func() { ended <- s.Serve(listenLoopback(t)) }()
	s.Shutdown(t.Context())
	if err := <-ended; err != nil && err != errStopped {
		t.Errorf("Serve: %v", err)
	}
}
