package l4

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"forebay/l4/l4test"
	"forebay/pool"
)

func TestMain(m *testing.M) { os.Exit(l4test.Main(m)) }

// patience is how long a test waits for what should come at once, or be little late.
const patience = 20 * time.Second

// A testServer is a Server that serves until its test ends.
type testServer struct {
	*Server
	addr      string
	records   chan Record
	allPlaces int // for handshakes
}

// serve starts a Server in front of backends, on a free port of 127.0.0.1. configure may be nil.
func serve(tb testing.TB, configure func(*Server), backends ...string) *testServer {
	tb.Helper()
	var configs []pool.Config
	for _, b := range backends {
		configs = append(configs, backend(tb, b))
	}
	return servePool(tb, configure, pool.Options{Queue: 16}, configs...)
}

func backend(tb testing.TB, addresses ...string) pool.Config {
	tb.Helper()
	c := pool.Config{Name: addresses[0], Weight: 1}
	for _, a := range addresses {
		var parsed pool.Address
		if err := parsed.UnmarshalText([]byte(a)); err != nil {
			tb.Fatal(err)
		}
		c.Addrs = append(c.Addrs, parsed)
	}
	return c
}

func servePool(tb testing.TB, configure func(*Server), o pool.Options, configs ...pool.Config) *testServer {
	tb.Helper()
	p, err := pool.New(o, configs)
	if err != nil {
		tb.Fatal(err)
	}
	s := &testServer{Server: DefaultServer(p), records: make(chan Record, 4096)}
	s.Logger = slog.New(slog.DiscardHandler)
	s.Loops = 1
	s.Finished = func(r *Record) {
		kept := *r
		kept.Tries = append([]Try(nil), r.Tries...)
		s.records <- kept
	}
	if configure != nil {
		configure(s.Server)
	}
	ln := listenLoopback(tb)
	s.addr = ln.Address.String()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	<-s.Started()
	s.places.mu.Lock()
	s.allPlaces = s.places.free
	s.places.mu.Unlock()
	tb.Cleanup(func() {
		s.Stop()
		if err := <-ended; err != nil {
			tb.Errorf("Serve: %v", err)
		}
		s.expectNothingLeft(tb)
	})
	return s
}

func listenLoopback(tb testing.TB) *Listener {
	tb.Helper()
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	ln, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		tb.Fatal(err)
	}
	return &Listener{Name: "test", Address: pool.TCPAddress(netip.MustParseAddrPort(ln.Addr().String())), File: f}
}

// record returns the next session's Record and fails unless its cause is the wanted one.
func (s *testServer) record(tb testing.TB, want Cause) Record {
	tb.Helper()
	select {
	case r := <-s.records:
		if r.Cause != want {
			tb.Errorf("the session ended by %v, want %v (tries %+v)", r.Cause, want, r.Tries)
		}
		return r
	case <-time.After(patience):
		tb.Fatalf("no session ended within %v, want one that ends by %v", patience, want)
	}
	return Record{}
}

func TestSessionIsRelayedAndRecorded(t *testing.T) {
	s := serve(t, nil, l4test.Echo(t).Addr())
	l4test.Dial(t, s.addr).Send("hello").Expect("hello").CloseWrite().ExpectEOF().Close()
	r := s.record(t, ClientClosed)
	if r.FromClient != 5 || r.ToBackend != 5 || r.FromBackend != 5 || r.ToClient != 5 {
		t.Errorf("bytes %d > %d, %d < %d; want 5 each", r.FromClient, r.ToBackend, r.ToClient, r.FromBackend)
	}
	if len(r.Tries) != 1 || r.Tries[0].Result != pool.Served {
		t.Errorf("tries %+v, want one that connected", r.Tries)
	}
	if r.FirstByte < 0 || r.Total < r.FirstByte || r.ClientTCP.RTT <= 0 || r.BackendTCP.RTT <= 0 {
		t.Errorf("times %+v", r)
	}
}

func TestNameWithSeveralAddressesIsTriedAtEach(t *testing.T) {
	echo := l4test.Echo(t)
	s := servePool(t, nil, pool.Options{}, backend(t, l4test.Refused(t), echo.Addr()))
	for range 2 {
		l4test.Dial(t, s.addr).Send("x").Expect("x").CloseWrite().ExpectEOF()
		r := s.record(t, ClientClosed)
		if len(r.Tries) != 1 || r.Address.String() != echo.Addr() {
			t.Errorf("reached %v by %+v, want %v in one try", r.Address, r.Tries, echo.Addr())
		}
	}
}

func TestRefusedBackendIsPassedOver(t *testing.T) {
	s := serve(t, nil, l4test.Refused(t), l4test.Refused(t), l4test.Echo(t).Addr())
	l4test.Dial(t, s.addr).Send("x").Expect("x").CloseWrite().ExpectEOF()
	r := s.record(t, ClientClosed)
	if len(r.Tries) != 3 || r.Tries[0].Result != pool.Refused || r.Tries[2].Result != pool.Served {
		t.Errorf("tries %+v, want two refused and one connected", r.Tries)
	}
	if r.Connect >= s.ConnectTimeout {
		t.Errorf("connecting took %v", r.Connect)
	}
}

func TestNoBackendLeft(t *testing.T) {
	s := serve(t, nil, l4test.Refused(t), l4test.Refused(t))
	l4test.Dial(t, s.addr).ExpectReset()
	if r := s.record(t, ConnectFailed); len(r.Tries) != 2 {
		t.Errorf("tries %+v, want both backends", r.Tries)
	}
}

func TestBlackHoleCostsOneConnectTimeout(t *testing.T) {
	s := serve(t, func(s *Server) { s.ConnectTimeout, s.ConnectBudget = 200*time.Millisecond, time.Hour }, l4test.BlackHole(t), l4test.Echo(t).Addr())
	l4test.Dial(t, s.addr).Send("x").Expect("x").CloseWrite().ExpectEOF()
	r := s.record(t, ClientClosed)
	if len(r.Tries) != 2 || r.Tries[0].Result != pool.TimedOut || r.Connect < 200*time.Millisecond {
		t.Errorf("connected after %v by %+v, want one timeout of 200ms first", r.Connect, r.Tries)
	}
}

func TestConnectBudgetBoundsAllTries(t *testing.T) {
	s := serve(t, func(s *Server) {
		s.ConnectTimeout, s.ConnectBudget = time.Hour, 150*time.Millisecond
	}, l4test.BlackHole(t), l4test.BlackHole(t))
	l4test.Dial(t, s.addr).ExpectReset()
	if r := s.record(t, ConnectFailed); r.Total < 150*time.Millisecond || len(r.Tries) != 1 {
		t.Errorf("gave up after %v by %+v, want 150ms and the one try it had time for", r.Total, r.Tries)
	}
}

// What was under way when a client gave up is told, too: that backend made it.
func TestTriesUnderWayAreTold(t *testing.T) {
	hole := l4test.BlackHole(t)
	s := serve(t, func(s *Server) { s.ConnectTimeout = time.Hour }, hole)
	c := l4test.Dial(t, s.addr)
	l4test.Await(t, patience, "the try has begun", func() bool { return s.Snapshot().Connects == 1 })
	c.Reset()
	r := s.record(t, ClientLeft)
	if len(r.Tries) != 1 || r.Tries[0].Result != pool.Abandoned || r.Tries[0].Address.String() != hole {
		t.Errorf("tries: got %+v, want one of %s that was abandoned", r.Tries, hole)
	}
}

// A source that can't be used, or has no port left, leaves the connection to the next one.
func TestNextSourceServes(t *testing.T) {
	from := make(chan netip.Addr, 4)
	b := l4test.Serve(t, func(p *l4test.Peer) {
		from <- netip.MustParseAddrPort(p.Conn().RemoteAddr().String()).Addr()
		p.ExpectEOF().Close()
	})
	usable := netip.MustParseAddr("127.0.0.2")
	s := serve(t, func(s *Server) {
		s.Sources = []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1"), usable} // RFC 5737: nobody's
	}, b.Addr())
	for range 4 {
		l4test.Dial(t, s.addr).CloseWrite().ExpectEOF()
		if r := s.record(t, ClientClosed); len(r.Tries) != 1 {
			t.Errorf("tries: got %+v, want one", r.Tries)
		}
		if got := <-from; got != usable {
			t.Errorf("connected from %v, want %v", got, usable)
		}
	}
}

func TestHedgeWinsOverABlackHole(t *testing.T) {
	echo := l4test.Echo(t)
	s := serve(t, func(s *Server) { s.HedgeAfter, s.ConnectTimeout = 50*time.Millisecond, time.Hour }, l4test.BlackHole(t), echo.Addr())
	l4test.Dial(t, s.addr).Send("x").Expect("x").CloseWrite().ExpectEOF()
	r := s.record(t, ClientClosed)
	if r.Connect < 50*time.Millisecond || r.Connect > patience || r.Backend != echo.Addr() {
		t.Errorf("connected to %v after %v, want the hedge after 50ms", r.Backend, r.Connect)
	}
	if n := s.Snapshot().Hedges; n != 1 {
		t.Errorf("%d hedges, want 1", n)
	}
}

func TestHedgesAreLimited(t *testing.T) {
	var s Server
	s.connects.Store(200)
	n := 0
	for range 100 {
		if s.mayHedge() {
			n++
		}
	}
	if want := 200/hedgeShare + hedgeBurst; n != want {
		t.Errorf("%d hedges beside 200 connects, want %d", n, want)
	}
}

// TestQueueServesInOrder fills the one place of the one backend, and looks who gets it next.
func TestQueueServesInOrder(t *testing.T) {
	b := backend(t, l4test.Echo(t).Addr())
	b.MaxConns = 1
	s := servePool(t, nil, pool.Options{Queue: 2}, b)
	first := l4test.Dial(t, s.addr).Send("1").Expect("1")
	waits := func(n int) func() bool { return func() bool { return s.Pool.Snapshot().Waiting == n } }
	second := l4test.Dial(t, s.addr).Send("2")
	l4test.Await(t, patience, "the second waits", waits(1))
	third := l4test.Dial(t, s.addr).Send("3")
	l4test.Await(t, patience, "the third waits", waits(2))
	l4test.Dial(t, s.addr).ExpectReset()
	s.record(t, QueueFull)
	first.CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
	second.Expect("2").CloseWrite().ExpectEOF()
	if r := s.record(t, ClientClosed); r.Queue <= 0 {
		t.Errorf("the second's time in the queue is %v", r.Queue)
	}
	third.Expect("3").CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
}

func TestLeavingTheQueue(t *testing.T) {
	b := backend(t, l4test.Echo(t).Addr())
	b.MaxConns = 1
	s := servePool(t, func(s *Server) { s.QueueTimeout = time.Hour }, pool.Options{Queue: 1}, b)
	l4test.Dial(t, s.addr).Send("1").Expect("1")
	l4test.Dial(t, s.addr).Close()
	s.record(t, ClientLeft)
	if n := s.Pool.Snapshot().Waiting; n != 0 {
		t.Errorf("%d still wait", n)
	}
}

// A lease that comes when the loop of its session has ended goes back.
func TestLeaseForEndedLoopIsGivenBack(t *testing.T) {
	p, err := pool.New(pool.Options{Queue: 1}, []pool.Config{backend(t, "127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	server := DefaultServer(p)
	server.prepare()
	l := &loop{server: server, closed: true}
	s := &session{client: noSide(), backend: noSide(), listener: &listener{}, stage: queueing, setup: &setup{route: &server.Route}}
	l.add(s)
	s.joinQueue() // there is room by now, so that the lease comes at once
	if n := p.Snapshot().Backends[0].Active; n != 0 {
		t.Errorf("%d leases are held, want none", n)
	}
}

func TestQueueTimeout(t *testing.T) {
	b := backend(t, l4test.Echo(t).Addr())
	b.MaxConns = 1
	s := servePool(t, func(s *Server) { s.QueueTimeout = 300 * time.Millisecond }, pool.Options{Queue: 1}, b)
	l4test.Dial(t, s.addr).Send("1").Expect("1")
	l4test.Dial(t, s.addr).ExpectReset()
	if r := s.record(t, QueueTimeout); r.Queue < 300*time.Millisecond {
		t.Errorf("waited %v, want 300ms", r.Queue)
	}
	if n := s.Pool.Snapshot().Waiting; n != 0 {
		t.Errorf("%d still wait", n)
	}
}

// TestLeaseThatComesAtTheEndIsGivenBack has room come for a client in the moment in which its lifetime is over.
func TestLeaseThatComesAtTheEndIsGivenBack(t *testing.T) {
	echo := backend(t, l4test.Echo(t).Addr())
	echo.MaxConns = 1
	s := servePool(t, nil, pool.Options{Queue: 1}, echo)
	l4test.Dial(t, s.addr).Send("x").Expect("x")
	l4test.Dial(t, s.addr)
	l4test.Await(t, 5*time.Second, "the second client waits", func() bool { return s.Pool.Snapshot().Waiting == 1 })
	s.onLoops(func(l *loop) {
		s.at(l, queueing).ends = l.now
		s.at(l, relaying).finish(Stopped) // which posts the lease to the loop
	})
	s.record(t, Stopped)
	s.record(t, Lifetime)
	if n := s.Pool.Backends()[0].Active(); n != 0 {
		t.Errorf("the backend has %d sessions, want none", n)
	}
}

// at returns a session of l that is at that stage. It is called on the loop.
func (s *testServer) at(l *loop, want stage) *session {
	i := slices.IndexFunc(l.slots, func(at slot) bool { return at.session != nil && at.session.stage == want })
	return l.slots[i].session
}

// TestBugInOneSessionSparesTheOthers has one session run into a panic while another is open.
func TestBugInOneSessionSparesTheOthers(t *testing.T) {
	s := serve(t, nil, l4test.Echo(t).Addr())
	other := l4test.Dial(t, s.addr).Send("a").Expect("a")
	victim := l4test.Dial(t, s.addr).Send("b").Expect("b")
	l := s.loops[0]
	l.post(func() {
		for i := range l.slots {
			if x := l.slots[i].session; x != nil && x.peer.String() == victim.Addr().String() {
				x.stage = dialing // with no setup to dial by: the next step trips over it
			}
		}
	})
	victim.Send("c")
	l4test.Await(t, patience, "the panic was caught", func() bool { return s.Snapshot().Panics == 1 })
	s.record(t, InternalBug)
	other.Send("d").Expect("d").CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
}

// A bug in the pool, whose mutex is held then, is not one session's: whoever goes on would wait for that mutex for
// ever, and nobody would know.
func TestBugInThePoolIsNotCaught(t *testing.T) {
	s := serve(t, nil, l4test.Echo(t).Addr())
	client := l4test.Dial(t, s.addr).Send("a").Expect("a")
	l, caught := s.loops[0], make(chan any)
	l.post(func() {
		for i := range l.slots {
			x := l.slots[i].session
			if x == nil {
				continue
			}
			was := x.stage
			x.stage, x.setup = picking, &setup{route: &Route{}} // without a Pool
			caught <- caughtFrom(func() { l.step(x) })
			x.stage, x.setup = was, nil
		}
	})
	if bug, ok := (<-caught).(pool.Corruption); !ok || len(bug.Stack) == 0 {
		t.Errorf("the loop went on, or panics with %v", bug)
	}
	client.Send("b").Expect("b").CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
}

// caughtFrom returns what f panics with.
func caughtFrom(f func()) (bug any) {
	defer func() { bug = recover() }()
	f()
	return nil
}

func TestLimits(t *testing.T) {
	tests := []struct {
		name      string
		configure func(*Server)
		play      func(*l4test.Peer)
		cause     Cause
		least     time.Duration
	}{
		{"idle", func(s *Server) { s.IdleTimeout = 200 * time.Millisecond },
			func(*l4test.Peer) {}, Idle, 200 * time.Millisecond},
		{"half closed", func(s *Server) { s.HalfCloseTimeout = 200 * time.Millisecond },
			func(p *l4test.Peer) { p.Send("x").Expect("x").CloseWrite() }, HalfClosed, 200 * time.Millisecond},
		{"lifetime", func(s *Server) { s.MaxLifetime, s.LifetimeJitter = 300*time.Millisecond, 0 },
			func(*l4test.Peer) {}, Lifetime, 300 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := l4test.Serve(t, echoOnce)
			s := serve(t, test.configure, b.Addr())
			p := l4test.Dial(t, s.addr)
			test.play(p)
			p.ExpectReset()
			if r := s.record(t, test.cause); r.Total < test.least || r.Total > test.least+patience {
				t.Errorf("ended after %v, want %v", r.Total, test.least)
			}
		})
	}
}

// echoOnce echoes one byte, if one comes, and then says no more, FIN or not.
func echoOnce(p *l4test.Peer) {
	var b [1]byte
	if n, _ := p.Conn().Read(b[:]); n == 1 {
		p.Conn().Write(b[:])
	}
	<-p.Ended()
}

func TestLifetimeJitterShortensAtMostByItsShare(t *testing.T) {
	s := Server{MaxLifetime: time.Hour, LifetimeJitter: 0.1}
	for _, test := range []struct {
		random float64
		want   time.Duration
	}{{0, time.Hour}, {0.5, 57 * time.Minute}, {1, 54 * time.Minute}} {
		if got := time.Duration(s.lifetime(test.random)); got != test.want {
			t.Errorf("lifetime(%v) = %v, want %v", test.random, got, test.want)
		}
	}
	if (&Server{}).lifetime(0.5) != never {
		t.Error("no maximum, and yet a lifetime")
	}
}

func TestMaxConnsHoldsTheRestInTheKernel(t *testing.T) {
	s := serve(t, func(s *Server) { s.MaxConns = 2 }, l4test.Echo(t).Addr())
	a, b := l4test.Dial(t, s.addr).Send("a").Expect("a"), l4test.Dial(t, s.addr).Send("b").Expect("b")
	c := l4test.Dial(t, s.addr).Send("c")
	d := l4test.Dial(t, s.addr).Send("d")
	if n := s.Snapshot().Sessions; n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
	a.CloseWrite().ExpectEOF()
	c.Expect("c")
	b.CloseWrite().ExpectEOF()
	d.Expect("d")
}

func TestShutdownWaitsAndThenCuts(t *testing.T) {
	s := serve(t, nil, l4test.Echo(t).Addr())
	p := l4test.Dial(t, s.addr).Send("x").Expect("x")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := s.Shutdown(ctx)
	var cut *CutError
	if !errors.As(err, &cut) || cut.Sessions != 1 {
		t.Errorf("Shutdown: %v, want 1 session cut", err)
	}
	p.ExpectReset()
	s.record(t, DrainCut)
}

func TestShutdownLetsSessionsEnd(t *testing.T) {
	s := serve(t, nil, l4test.Echo(t).Addr())
	p := l4test.Dial(t, s.addr).Send("x").Expect("x")
	done := make(chan error)
	go func() { done <- s.Shutdown(t.Context()) }()
	l4test.Await(t, patience, "the port is closed", func() bool {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	p.Send("y").Expect("y").CloseWrite().ExpectEOF()
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestAsManyLoopsAsTheKernelWakes(t *testing.T) {
	s := serve(t, func(s *Server) { s.Loops = MostLoops }, l4test.Echo(t).Addr())
	for range 10 {
		l4test.Dial(t, s.addr).Send("x").Expect("x").Close()
	}
	one := DefaultServer(s.Route.Pool)
	one.Loops = MostLoops + 1
	if err := one.Serve(listenLoopback(t)); err == nil || !strings.Contains(err.Error(), "101 event loops") {
		t.Errorf("got %v, want it to say that there are too many loops", err)
	}
}

func TestTriesHaveBounds(t *testing.T) {
	for _, n := range []int{0, maxTries + 1} {
		s := DefaultServer(nil)
		s.Tries = n
		if err := s.Serve(listenLoopback(t)); err == nil || !strings.Contains(err.Error(), "1 to 16 are right") {
			t.Errorf("%d: got %v, want a fault", n, err)
		}
	}
}

// TestWorkSpills moves sessions to a second loop in the middle of an exchange and looks that no byte is lost; then
// back.
func TestWorkSpills(t *testing.T) {
	const sessions = 20
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	s := serve(t, func(s *Server) { s.Loops = 0 }, l4test.Echo(t).Addr())
	enough := make(chan struct{})
	var waits []func()
	for range sessions {
		p := l4test.Dial(t, s.addr).Send("ping").Expect("ping")
		waits = append(waits, p.Beside(func(p *l4test.Peer) { pingUntil(p, enough) }))
	}
	first := s.loops[0]
	first.post(func() { first.spill(0) })
	l4test.Await(t, patience, "a second loop runs", func() bool { return s.Snapshot().Loops == 2 && s.Snapshot().Moves > 0 })
	s.mu.Lock()
	second := s.loops[1]
	s.mu.Unlock()
	second.post(second.takeRest)
	first.post(func() { first.spill(0) })
	close(enough)
	for _, wait := range waits {
		wait()
		s.record(t, ClientClosed)
	}
}

// pingUntil plays ping until it is enough, and then some more.
func pingUntil(p *l4test.Peer, enough <-chan struct{}) {
	const more = 200
	for left := more; left > 0; left-- {
		select {
		case <-enough:
		default:
			left = more
		}
		p.Send("ping").Expect("ping")
	}
	p.CloseWrite().ExpectEOF()
}

// TestNothingIsAllocatedPerExchange counts the allocations of the whole process, the test's own end included.
func TestNothingIsAllocatedPerExchange(t *testing.T) {
	s := serve(t, nil, l4test.Serve(t, rawEcho).Addr())
	exchange := exchanger(t, s.addr)
	exchange() // lets everything be set up
	if n := testing.AllocsPerRun(50, exchange); n != 0 {
		t.Errorf("%v allocations per exchange, want 0", n)
	}
}

// rawEcho echoes without an allocation.
func rawEcho(p *l4test.Peer) {
	buf := make([]byte, 512)
	for {
		n, err := p.Conn().Read(buf)
		if err != nil {
			return
		}
		if _, err := p.Conn().Write(buf[:n]); err != nil {
			return
		}
	}
}

// exchanger returns a function that sends 64 bytes on a kept connection and reads them back.
func exchanger(tb testing.TB, addr string) func() {
	tb.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	buf := []byte(strings.Repeat("x", 64))
	return func() {
		if _, err := c.Write(buf); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			tb.Fatal(err)
		}
	}
}

func BenchmarkExchange(b *testing.B) {
	exchange := exchanger(b, serve(b, nil, l4test.Serve(b, rawEcho).Addr()).addr)
	b.ReportAllocs()
	for b.Loop() {
		exchange()
	}
}

func BenchmarkConnection(b *testing.B) {
	s := serve(b, func(s *Server) { s.Finished = nil }, l4test.Echo(b).Addr())
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

// TestSessionStaysSmall holds the size class of a session: what an idle one costs is this and its slot.
func TestSessionStaysSmall(t *testing.T) {
	if size := unsafe.Sizeof(session{}); size > 352 {
		t.Errorf("a session is %d bytes, want at most 352, a size class of the runtime", size)
	}
}

// TestResetAfterFIN has a client finish and then reset, while the backend has nothing to say: no read and no write
// would find out.
func TestResetAfterFIN(t *testing.T) {
	forwarded := make(chan struct{})
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.Expect("x").ExpectEOF()
		close(forwarded)
		p.ExpectResetAfterEOF()
	})
	s := serve(t, nil, b.Addr())
	p := l4test.Dial(t, s.addr).Send("x").CloseWrite()
	<-forwarded
	p.Reset()
	s.record(t, ClientReset)
	b.AwaitDone(1)
}

// TestLifetimeHoldsWhileConnecting has it end before the first backend has answered.
func TestLifetimeHoldsWhileConnecting(t *testing.T) {
	s := serve(t, func(s *Server) { s.MaxLifetime, s.LifetimeJitter = 200*time.Millisecond, 0 }, l4test.BlackHole(t))
	l4test.Dial(t, s.addr).ExpectReset()
	s.record(t, Lifetime)
}
