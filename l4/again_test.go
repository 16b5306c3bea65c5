package l4

import (
	"testing"
	"time"

	"forebay/l4/l4test"
	"forebay/pool"
)

// tryingFor serves in front of a backend, with this time to try.
func tryingFor(t *testing.T, d time.Duration, o pool.Options, addr string) *testServer {
	return servePool(t, func(s *Server) { s.TryDuration = d }, o, backend(t, addr))
}

// The only backend of a pool is away for a moment: a client that comes meanwhile waits, and is served when it is back.
// What it has sent is there, once, and the log tells of the wait.
func TestClientWaitsForABackendThatRestarts(t *testing.T) {
	for _, when := range []pool.WhenAllDown{pool.TryDown, pool.RefuseDown} {
		t.Run(when.String(), func(t *testing.T) {
			addr := l4test.Refused(t)
			s := tryingFor(t, time.Minute, pool.Options{WhenAllDown: when}, addr)
			b := s.Pool.Backends()[0]
			if when == pool.RefuseDown {
				b.Judge(pool.Down, pool.Evidence{Witness: pool.Check, Reason: "refused"})
			}
			p := l4test.Dial(t, s.addr).Send("ping")
			l4test.Await(t, 5*time.Second, "the client waits", func() bool { return s.has(pausing) })
			l4test.ServeAt(t, addr, func(p *l4test.Peer) { p.Expect("ping").Send("pong").ExpectEOF() })
			b.Judge(pool.Up, pool.Evidence{Witness: pool.Check, Reason: "connected"})
			p.Expect("pong").CloseWrite().ExpectEOF()
			if r := s.record(t, ClientClosed); r.Queue < time.Duration(firstRoundPause) || len(r.Tries) != 1 || r.Connect > r.Total-r.Queue {
				t.Errorf("queued %v of %v, connected in %v with tries %+v; want a pause, and one try after it", r.Queue, r.Total, r.Connect, r.Tries)
			}
		})
	}
}

// When the time is up the client is reset, and it is told that its tries failed.
func TestWaitingForABackendEnds(t *testing.T) {
	s := tryingFor(t, 300*time.Millisecond, pool.Options{}, l4test.Refused(t))
	l4test.Dial(t, s.addr).ExpectReset()
	r := s.record(t, ConnectFailed)
	wantTries(t, r, pool.Refused)
	if refused := s.Pool.Snapshot().Backends[0].Outcomes[pool.Refused]; refused < 2 || r.Total > 300*time.Millisecond+5*time.Second {
		t.Errorf("%d tries in %v, want some in a little over 300 ms", refused, r.Total)
	}
}

// A client that leaves while it waits costs nothing more.
func TestClientLeavesWhileItWaitsForABackend(t *testing.T) {
	for name, leave := range map[string]func(*l4test.Peer){"FIN": (*l4test.Peer).Close, "reset": (*l4test.Peer).Reset} {
		t.Run(name, func(t *testing.T) {
			s := tryingFor(t, time.Minute, pool.Options{}, l4test.Refused(t))
			p := l4test.Dial(t, s.addr)
			l4test.Await(t, 5*time.Second, "the client waits", func() bool { return s.has(pausing) })
			leave(p)
			s.record(t, ClientLeft)
		})
	}
}

// A request that a backend died of is not kept for it.
func TestDeadlyRequestIsNotTriedAgain(t *testing.T) {
	dead := dies(t, "ping", (*l4test.Peer).Reset)
	s := servePool(t, func(s *Server) { s.TryDuration, s.Replay = time.Minute, 64 }, pool.Options{}, backend(t, dead.Addr()))
	l4test.Dial(t, s.addr).Send("ping").ExpectReset()
	wantTries(t, s.record(t, ConnectFailed), pool.Died)
}

// A client whose backend restarts before anything was said waits for it as one does that comes meanwhile, however long
// the process has served by then.
func TestClientOfABackendThatRestartsWaitsForIt(t *testing.T) {
	const wait = 2 * time.Second
	restarts := make(chan struct{})
	dead := l4test.Serve(t, func(p *l4test.Peer) { <-restarts; p.Reset() })
	s := servePool(t, func(s *Server) { s.TryDuration, s.Replay = wait, 64 }, pool.Options{}, backend(t, dead.Addr()))
	p := l4test.Dial(t, s.addr)
	l4test.Await(t, 5*time.Second, "the session is relayed", func() bool { return s.has(relaying) })
	l4test.Await(t, 5*time.Second, "longer has passed than a client waits", func() bool { return s.clock() > int64(wait) })
	dead.StopListening()
	close(restarts)
	p.ExpectReset()
	if r := s.record(t, ConnectFailed); r.Queue < time.Duration(firstRoundPause) {
		t.Errorf("waited for %v, want %v or more", r.Queue, time.Duration(firstRoundPause))
	}
}
