package l4

import (
	"crypto/tls"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"forebay/l4/l4test"
	"forebay/pool"
)

// replaying serves in front of backends that are turned to in this order, and keeps up to limit bytes.
func replaying(t *testing.T, limit int, configure func(*Server), backends ...string) *testServer {
	t.Helper()
	var configs []pool.Config
	for _, b := range backends {
		configs = append(configs, backend(t, b))
	}
	return servePool(t, func(s *Server) {
		s.Replay = limit
		if configure != nil {
			configure(s)
		}
	}, pool.Options{Policy: pool.First, Queue: 4}, configs...)
}

// results returns how each try went.
func results(r Record) []pool.Outcome {
	var all []pool.Outcome
	for _, t := range r.Tries {
		all = append(all, t.Result)
	}
	return all
}

func wantTries(t *testing.T, r Record, want ...pool.Outcome) {
	t.Helper()
	if got := results(r); !slices.Equal(got, want) {
		t.Errorf("tries %v, want %v", got, want)
	}
}

// dies starts a backend that reads what it is sent, which must be request, and ends without an answer.
func dies(t *testing.T, request string, end func(*l4test.Peer)) *l4test.Backend {
	return l4test.Serve(t, func(p *l4test.Peer) { p.Expect(request); end(p) })
}

func TestRequestOfABackendThatDiedGoesToAnother(t *testing.T) {
	ends := map[string]func(*l4test.Peer){"FIN": (*l4test.Peer).Close, "reset": (*l4test.Peer).Reset}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			dead, alive := dies(t, "ping", end), l4test.Echo(t)
			s := replaying(t, 1024, nil, dead.Addr(), alive.Addr())
			l4test.Dial(t, s.addr).Send("ping").Expect("ping").Send("more").Expect("more").CloseWrite().ExpectEOF()
			r := s.record(t, ClientClosed)
			wantTries(t, r, pool.Died, pool.Served)
			if r.Backend != alive.Addr() || r.Tries[0].Backend != dead.Addr() {
				t.Errorf("%s served after %s, want %s after %s", r.Backend, r.Tries[0].Backend, alive.Addr(), dead.Addr())
			}
			if r.FromClient != 8 || r.ToBackend != 8 || r.FromBackend != 8 {
				t.Errorf("bytes %d > %d, < %d; want 8 each, the dead backend's not counted", r.FromClient, r.ToBackend, r.FromBackend)
			}
			if snap := s.Pool.Snapshot().Backends[0]; snap.Outcomes[pool.Died] != 1 || snap.Active != 0 {
				t.Errorf("the dead backend has %d sessions that died and %d active, want 1 and 0", snap.Outcomes[pool.Died], snap.Active)
			}
		})
	}
}

func TestReplayedFINFollowsTheBytes(t *testing.T) {
	dead := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("ping").ExpectEOF(); p.Reset() })
	alive := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("ping").ExpectEOF().Send("pong") })
	s := replaying(t, 1024, nil, dead.Addr(), alive.Addr())
	l4test.Dial(t, s.addr).Send("ping").CloseWrite().Expect("pong").ExpectEOF()
	wantTries(t, s.record(t, ClientClosed), pool.Died, pool.Served)
}

func TestReplayHasAPROXYHeaderOfItsOwn(t *testing.T) {
	header := make(chan string, 2)
	read := func(p *l4test.Peer) { header <- string(p.Receive(proxyV2Fixed + 12)); p.Expect("ping") }
	dead := l4test.Serve(t, func(p *l4test.Peer) { read(p); p.Reset() })
	alive := l4test.Serve(t, func(p *l4test.Peer) { read(p); p.Send("pong").ExpectEOF() })
	s := replaying(t, 1024, func(s *Server) { s.ProxyOut = ProxyV2 }, dead.Addr(), alive.Addr())
	l4test.Dial(t, s.addr).Send("ping").Expect("pong").CloseWrite().ExpectEOF()
	if first, second := <-header, <-header; first != second {
		t.Errorf("the second backend was told %q, want what the first was told, %q", second, first)
	}
	if r := s.record(t, ClientClosed); r.ToBackend != 4 {
		t.Errorf("%d bytes to the backend, want 4: a header does not count", r.ToBackend)
	}
}

// TestReplayBringsAllThatWasSent has the first backend read a part of much and stall, so that some was written, some
// held, and some not read.
func TestReplayBringsAllThatWasSent(t *testing.T) {
	const size = 3 << 20
	dead := l4test.ServeNarrow(t, 32<<10, func(p *l4test.Peer) { p.ExpectContent(1, 200<<10).Reset() })
	alive := l4test.Serve(t, func(p *l4test.Peer) { p.ExpectContent(1, size).Send("all").ExpectEOF() })
	s := replaying(t, 4<<20, nil, dead.Addr(), alive.Addr())
	l4test.Dial(t, s.addr).SendContent(1, size).Expect("all").CloseWrite().ExpectEOF()
	wantTries(t, s.record(t, ClientClosed), pool.Died, pool.Served)
}

func TestReplayTriesAreLimited(t *testing.T) {
	s := replaying(t, 1024, func(s *Server) { s.Tries = 1 }, dies(t, "ping", (*l4test.Peer).Close).Addr(), l4test.Echo(t).Addr())
	l4test.Dial(t, s.addr).Send("ping").ExpectReset()
	wantTries(t, s.record(t, ConnectFailed), pool.Died)
}

// What two backends died of may be what kills: the client sees how the second one ended, and a third never meets it.
func TestDeadlyRequestIsNotGivenToAThird(t *testing.T) {
	for name, end := range map[string]struct {
		end  func(*l4test.Peer)
		sees func(*l4test.Peer)
		want Cause
	}{
		"FIN":   {(*l4test.Peer).Close, func(p *l4test.Peer) { p.ExpectEOF().Close() }, BackendClosed},
		"reset": {(*l4test.Peer).Reset, (*l4test.Peer).ExpectReset, BackendReset},
	} {
		t.Run(name, func(t *testing.T) {
			third := l4test.Echo(t)
			s := replaying(t, 1024, nil, dies(t, "ping", end.end).Addr(), dies(t, "ping", end.end).Addr(), third.Addr())
			end.sees(l4test.Dial(t, s.addr).Send("ping"))
			wantTries(t, s.record(t, end.want), pool.Died, pool.Served)
			if n := third.Accepted(); n != 0 {
				t.Errorf("the third backend was reached %d times, want never", n)
			}
		})
	}
}

// Backends that reset before the client has spoken died of nothing that it said: each may be passed over.
func TestResetsBeforeTheClientSpokeAreNotDeadly(t *testing.T) {
	connected := make(chan struct{}, 2)
	script := func(p *l4test.Peer) { <-connected; p.Reset() }
	s := replaying(t, 64, nil, l4test.Serve(t, script).Addr(), l4test.Serve(t, script).Addr(), l4test.Banner(t, "hello").Addr())
	p := l4test.Dial(t, s.addr)
	l4test.Await(t, 5*time.Second, "the session is relayed", func() bool { return s.has(relaying) })
	connected <- struct{}{}
	connected <- struct{}{}
	p.Expect("hello").CloseWrite().ExpectEOF()
	if got := results(s.record(t, ClientClosed)); len(got) != 3 {
		t.Errorf("tries %v, want three", got)
	}
}

// TestReplayWaitsInTheQueue has the second backend be full when the first one dies.
func TestReplayWaitsInTheQueue(t *testing.T) {
	dead, alive := dies(t, "ping", (*l4test.Peer).Reset), backend(t, l4test.Echo(t).Addr())
	alive.MaxConns = 1
	s := servePool(t, func(s *Server) { s.Replay = 64 }, pool.Options{Policy: pool.First, Queue: 1}, alive, backend(t, dead.Addr()))
	first := l4test.Dial(t, s.addr).Send("a").Expect("a")
	second := l4test.Dial(t, s.addr).Send("ping")
	l4test.Await(t, 5*time.Second, "the second waits", func() bool { return s.Pool.Snapshot().Waiting == 1 })
	first.CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
	second.Expect("ping").CloseWrite().ExpectEOF()
	if r := s.record(t, ClientClosed); r.Queue <= 0 || len(r.Tries) != 2 {
		t.Errorf("queued for %v, tries %+v; want some time and two tries", r.Queue, r.Tries)
	}
}

func TestReplayOfAResetBeforeTheClientSpoke(t *testing.T) {
	connected := make(chan struct{})
	dead := l4test.Serve(t, func(p *l4test.Peer) { <-connected; p.Reset() })
	s := replaying(t, 64, nil, dead.Addr(), l4test.Banner(t, "hello").Addr())
	p := l4test.Dial(t, s.addr)
	l4test.Await(t, 5*time.Second, "the session is relayed", func() bool { return s.has(relaying) })
	close(connected)
	p.Expect("hello").CloseWrite().ExpectEOF()
	wantTries(t, s.record(t, ClientClosed), pool.Died, pool.Served)
}

func TestReplayOverTLS(t *testing.T) {
	id := newIdentity(t, "one.example")
	dead := serveTLS(t, id.server(), func(c *tls.Conn) { expect(t, c, "ping"); c.NetConn().Close() })
	s := replaying(t, 64, func(s *Server) {
		s.TLS, s.BackendTLS = id.server(), id.backendTLS
	}, dead, serveTLS(t, id.server(), echoTLS))
	c := dialTLS(t, s.addr, id.client())
	say(t, c, "ping")
	expect(t, c, "ping")
	c.CloseWrite()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the answer ends with %v, want io.EOF", err)
	}
	wantTries(t, s.record(t, ClientClosed), pool.Died, pool.Served)
}

// TestWhatIsNotReplayed has a second backend that fails the test when it is reached.
func TestWhatIsNotReplayed(t *testing.T) {
	tests := []struct {
		name   string
		script func(*l4test.Peer)
		play   func(*l4test.Peer)
		cause  Cause
	}{
		{"more than is kept", func(p *l4test.Peer) { p.Expect("12345678").Close() },
			func(p *l4test.Peer) { p.Send("12345678").ExpectEOF().Close() }, BackendClosed},
		{"a death after the first byte", func(p *l4test.Peer) { p.Expect("ping").Send("p").AwaitAcked().Reset() },
			func(p *l4test.Peer) { p.Send("ping").Expect("p").ExpectReset() }, BackendReset},
		{"a clean end after the client's", func(p *l4test.Peer) { p.Expect("ping").ExpectEOF() },
			func(p *l4test.Peer) { p.Send("ping").CloseWrite().ExpectEOF() }, ClientClosed},
		{"a clean end before the client spoke", func(p *l4test.Peer) {},
			func(p *l4test.Peer) { p.ExpectEOF().Close() }, BackendClosed},
		{"what comes after such an end", func(p *l4test.Peer) {},
			func(p *l4test.Peer) { p.ExpectEOF().Send("ping").ExpectResetAfterEOF() }, BackendReset},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			other := l4test.Serve(t, func(p *l4test.Peer) {})
			s := replaying(t, 7, nil, l4test.Serve(t, test.script).Addr(), other.Addr())
			test.play(l4test.Dial(t, s.addr))
			wantTries(t, s.record(t, test.cause), pool.Served)
			if n := other.Accepted(); n != 0 {
				t.Errorf("the other backend was reached %d times", n)
			}
		})
	}
}

// TestProgressBeginsAnewWithTheNextBackend has the first one take little until it dies, and the second be asked before
// it can have taken more.
func TestProgressBeginsAnewWithTheNextBackend(t *testing.T) {
	const size, over = 256 << 10, 600 * time.Millisecond
	dead := l4test.ServeNarrow(t, 4096, func(p *l4test.Peer) { pass(over * 7 / 6); p.Reset() })
	alive := l4test.ServeNarrow(t, 4096, func(p *l4test.Peer) { pass(over); p.ExpectContent(1, size).Send("all").ExpectEOF() })
	s := replaying(t, size, func(s *Server) { s.Limits = Limits{LeastProgress: Rate{64 << 10, over}} }, dead.Addr(), alive.Addr())
	l4test.Dial(t, s.addr).SendContent(1, size).Expect("all").CloseWrite().ExpectEOF()
	wantTries(t, s.record(t, ClientClosed), pool.Died, pool.Served)
}

func TestUrgentDataIsNotReplayed(t *testing.T) {
	begun := make(chan struct{})
	dead := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("a"); close(begun); p.Expect("z").Reset() })
	s := replaying(t, 64, nil, dead.Addr(), l4test.Echo(t).Addr())
	p := l4test.Dial(t, s.addr).Send("a")
	<-begun
	p.SendUrgent('!').Send("z").ExpectReset()
	wantTries(t, s.record(t, BackendReset), pool.Served)
}

func TestNothingIsKeptWhereReplayIsOff(t *testing.T) {
	s := replaying(t, 0, nil, dies(t, "ping", (*l4test.Peer).Reset).Addr(), l4test.Echo(t).Addr())
	l4test.Dial(t, s.addr).Send("ping").ExpectReset()
	if r := s.record(t, BackendReset); len(r.Tries) != 1 {
		t.Errorf("tries %+v, want one", r.Tries)
	}
}

// TestNothingIsKeptAfterTheFirstByte looks into the session: nothing that can be seen from outside depends on it, but
// memory.
func TestNothingIsKeptAfterTheFirstByte(t *testing.T) {
	s := replaying(t, 64, nil, l4test.Echo(t).Addr())
	p := l4test.Dial(t, s.addr)
	keeps := func() bool {
		found := make(chan bool)
		l := s.loops[0]
		l.post(func() {
			i := slices.IndexFunc(l.slots, func(at slot) bool { return at.session != nil })
			found <- i >= 0 && l.slots[i].session.rehearses()
		})
		return <-found
	}
	l4test.Await(t, 5*time.Second, "what the client sends is kept", keeps)
	p.Send("x").Expect("x")
	l4test.Await(t, 5*time.Second, "what was kept is given up", func() bool { return !keeps() })
}
