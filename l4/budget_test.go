package l4

import (
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"forebay/l4/l4test"
	"forebay/pool"
)

// stalledHello is the beginning of a ClientHello of 60,000 bytes, in records of 16 KiB, of which size bytes have come.
func stalledHello(size int) string {
	record := "\x16\x03\x01\x40\x00"
	first := record + "\x01\x00\xea\x60\x03\x03" + strings.Repeat("r", 0x4000-6)
	return (first + strings.Repeat(record+strings.Repeat("x", 0x4000), 3))[:size]
}

// byName sends nobody anywhere else, and has hellos be read.
func byName(s *Server) { s.Routes = &Routes{} }

func (s *testServer) awaitHeld(t *testing.T, what string, fits func(held int64) bool) {
	t.Helper()
	l4test.Await(t, patience, what, func() bool { return fits(s.Snapshot().Held) })
}

// What sessions hold is counted while they hold it, and not a moment longer.
func TestHeldMemoryIsCounted(t *testing.T) {
	server := serve(t, byName, l4test.Echo(t).Addr())
	client := l4test.Dial(t, server.addr).Send(stalledHello(20_000))
	server.awaitHeld(t, "a stalled hello is counted", func(held int64) bool { return held >= 20_000 && held < 60_000 })
	client.Reset()
	server.awaitHeld(t, "nothing is held", func(held int64) bool { return held == 0 })

	plain := l4test.Dial(t, server.addr).Send("x").Expect("x")
	server.awaitHeld(t, "a session that holds no bytes holds next to nothing", func(held int64) bool { return held < 2*traceBytes })
	plain.CloseWrite().ExpectEOF()
	server.awaitHeld(t, "nothing is held", func(held int64) bool { return held == 0 })
}

// What a reader does not take is held, and counted, until it does.
func TestHeldMemoryOfSlowReadersIsCounted(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.Conn().Write(make([]byte, 16<<20)) // in the end the client leaves
	})
	server := serve(t, nil, b.Addr())
	client := l4test.DialNarrow(t, server.addr, 4<<10)
	server.awaitHeld(t, "what waits for the client is counted", func(held int64) bool { return held >= 4<<10 })
	client.Reset()
	server.awaitHeld(t, "nothing is held", func(held int64) bool { return held == 0 })
}

// A crowd sends hellos that it does not finish. The budget is kept, those that stall longest are reset, and who means
// it is served all the time.
func TestStalledHellosAreShed(t *testing.T) {
	const most = 256 << 10
	server := serve(t, func(s *Server) { byName(s); s.Buffers = most }, l4test.Echo(t).Addr())
	open := l4test.Dial(t, server.addr).Send("open").Expect("open")
	shed := 0
	for i := range 100 {
		l4test.Dial(t, server.addr).Send(stalledHello(15_000))
		if i%10 == 0 {
			l4test.Dial(t, server.addr).Send("good").Expect("good").CloseWrite().ExpectEOF()
		}
		server.awaitHeld(t, "the budget is kept", func(held int64) bool { return held <= most })
	}
	open.Send("still").Expect("still").CloseWrite().ExpectEOF()
	count := func() bool {
		for len(server.records) > 0 {
			switch r := <-server.records; r.Cause {
			case Memory:
				shed++
			case ClientClosed:
			default:
				t.Errorf("a session ended with %v", r.Cause)
			}
		}
		return shed >= 80
	}
	// Some hellos may not have been read yet.
	if !l4test.Within(patience, count) || shed > 99 {
		t.Errorf("%d of 100 were shed, want those that do not fit into %d bytes", shed, most)
	}
}

// A client whose handshake has failed, and who is waited for, is counted without the handshake, which is over. Where
// memory is short it goes before those who have a backend.
func TestDismissedClientsHoldLittleAndAreShed(t *testing.T) {
	p, err := pool.New(pool.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := DefaultServer(p)
	server.prepare()
	l := &loop{server: server, now: server.clock()}
	shake := &handshake{hello: 500}
	shake.begun.Store(true)
	one := &session{client: noSide(), backend: noSide(), listener: &listener{}, stage: securing}
	one.client.layer = &layer{shake: shake}
	l.add(one)
	if l.weigh(one); l.held != handshakeBytes {
		t.Errorf("while the handshake goes on %d bytes are held, want %d", l.held, handshakeBytes)
	}
	shake.done, shake.err, one.stage = true, errLong, dismissing
	if l.weigh(one); l.held != layerBytes {
		t.Errorf("when it has failed %d bytes are held, want %d", l.held, layerBytes)
	}
	if n := l.shed(1, (*session).relays); n != 0 {
		t.Errorf("%d were reset as sessions with a backend, want none", n)
	}
	if n := l.shed(1, (*session).unfinished); n != 1 || l.held != 0 {
		t.Errorf("%d were reset and %d bytes are held, want 1 and none", n, l.held)
	}
}

// Where sessions with a backend hold it all, nobody new is accepted until they have let go; far above the budget they
// go as well.
func TestAcceptingWaitsForMemory(t *testing.T) {
	server := serve(t, func(s *Server) { byName(s); s.Buffers = 40 << 10 }, l4test.Echo(t).Addr())
	loop := server.loops[0]
	loop.post(func() { loop.held += 41 << 10 }) // of nobody who could be shed
	server.awaitHeld(t, "the budget is exceeded", func(held int64) bool { return held > 40<<10 })
	waits := l4test.Dial(t, server.addr).Send("x")
	l4test.Await(t, patience, "accepting pauses", func() bool { return server.Snapshot().AcceptPauses > 1 })
	if n := server.Snapshot().Accepted; n != 0 {
		t.Errorf("%d sessions were accepted, want none", n)
	}
	loop.post(func() { loop.held -= 41 << 10 })
	waits.Expect("x").CloseWrite().ExpectEOF()
	server.record(t, ClientClosed)
}

func TestFarAboveTheBudgetSlowReadersAreShed(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) { p.Conn().Write(make([]byte, 16<<20)) })
	server := serve(t, func(s *Server) { s.Buffers = 2 << 10 }, b.Addr())
	l4test.DialNarrow(t, server.addr, 4<<10)
	r := server.record(t, Memory)
	if r.Backend == "" {
		t.Errorf("got %+v, want a session with a backend", r)
	}
	server.awaitHeld(t, "nothing is held", func(held int64) bool { return held == 0 })
}

// Of two that hold as much, the one that has held it for longer goes; what a short time has in its favour a larger size
// takes back.
func TestWhoIsShedFirst(t *testing.T) {
	p, err := pool.New(pool.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := DefaultServer(p)
	var order []uint8
	server.Finished = func(r *Record) { order = append(order, uint8(r.FromClient)) }
	server.prepare()
	l := &loop{server: server, now: int64(time.Minute)}
	for i, s := range []struct {
		size int
		age  time.Duration
	}{{4 << 10, time.Second}, {4 << 10, 3 * time.Second}, {16 << 10, 2 * time.Second}, {1 << 10, 4 * time.Second}, {0, time.Minute}} {
		one := &session{client: noSide(), backend: noSide(), listener: &listener{}, stage: hearing, began: l.now - int64(s.age)}
		one.up.held, one.up.read = make([]byte, s.size), uint64(i)
		l.add(one)
		l.weigh(one)
	}
	if reset := l.shed(1<<20, (*session).unfinished); reset != 4 || l.held != 0 || string(order) != "\x02\x01\x00\x03" {
		t.Errorf("%d were reset, in the order %v, and %d bytes are still held; want 4, [2 1 0 3] and 0", reset, order, l.held)
	}
}

// What a session holds is counted where it is. A loop that gives its last one away sleeps from then on, and has told
// so before.
func TestMemoryOfMovedSessionsIsCountedOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	server := serve(t, func(s *Server) { s.Loops = 0 }, l4test.Echo(t).Addr())
	second, err := server.startLoop()
	if err != nil {
		t.Fatal(err)
	}
	first := server.loops[0]
	p := l4test.Dial(t, server.addr).Send("x").Expect("x")
	for _, l := range []*loop{first, second} { // whichever has it
		l.post(func() {
			for _, at := range l.slots {
				if at.session == nil {
					continue
				}
				at.session.traced()
				if l.weigh(at.session); l == first {
					l.hand(at.session, second)
				}
			}
		})
	}
	l4test.Await(t, patience, "the second loop has the session", func() bool {
		return second.stats.sessions.Load() == 1 && server.Snapshot().Held == traceBytes
	})
	l4test.Await(t, patience, "the second loop rests", func() bool {
		if second.load.rests.Load() {
			return true
		}
		second.post(func() { second.load.began, second.load.under = second.load.began-loadWindow, restWindows-1 })
		return false
	})
	l4test.Await(t, 2*time.Second, "the session is counted once, before an old timer wakes the second loop", func() bool {
		return server.Snapshot().Held == traceBytes
	})
	p.Send("y").Expect("y").CloseWrite().ExpectEOF()
	server.awaitHeld(t, "nothing is held", func(held int64) bool { return held == 0 })
}

// While sessions with a backend hold more than the budget, and not so much that they are reset, the loop looks rarely
// for others to reset. Each message would pay for a look at all sessions. The loop does not sleep through the next
// look.
func TestLooksForWhatToShedAreRare(t *testing.T) {
	p, err := pool.New(pool.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := DefaultServer(p)
	server.Logger, server.Buffers = slog.New(slog.DiscardHandler), 10<<20
	server.prepare()
	l := &loop{server: server, now: server.clock()}
	add := func(at stage, size int) *session {
		s := &session{client: noSide(), backend: noSide(), listener: &listener{}, stage: at}
		s.up.held = make([]byte, size)
		l.add(s)
		l.weigh(s)
		return s
	}
	for range 10_000 {
		add(relaying, 1100)
	}
	began := server.clock()
	l.economize()
	took := server.clock() - began
	stalled := add(hearing, 64<<10)
	if l.economize(); stalled.age < 0 || !l.accept.timer.armed() || l.accept.timer.due > server.clock()+lookShare*took {
		t.Fatalf("a look at 10,000 sessions that took %v was repeated at once: %v; the next is to come: %v",
			time.Duration(took), stalled.age < 0, l.accept.timer.armed())
	}
	l.now = l.accept.timer.due
	if l.economize(); stalled.age >= 0 {
		t.Error("the session that stalls was not reset at the next look")
	}
}

// Each part of a session that keeps bytes is counted.
func TestEveryPartIsWeighed(t *testing.T) {
	const size = 3000
	some := make([]byte, size)
	attempt := &setup{}
	attempt.attempts[1].side.layer = &layer{}
	for name, c := range map[string]struct {
		s    *session
		want int
	}{
		"nothing":                  {&session{}, 0},
		"for the backend":          {&session{up: flow{held: some}}, size},
		"for the client":           {&session{down: flow{held: some}}, size},
		"in a pipe to the backend": {&session{up: flow{pipe: &pipe{held: size}}}, size},
		"in a pipe to the client":  {&session{down: flow{pipe: &pipe{held: size}}}, size},
		"for a replay":             {&session{trace: &trace{replay: &replay{kept: some}}}, traceBytes + size},
		"fields of a PROXY header": {&session{trace: &trace{tlvs: []proxyproto.TLV{{Value: some}, {Value: some}}}}, traceBytes + 2*size},
		"the client's TLS":         {&session{client: side{layer: &layer{held: some}}}, layerBytes + size},
		"the backend's TLS":        {&session{backend: side{layer: &layer{held: some}}}, layerBytes + size},
		"TLS of a try":             {&session{setup: attempt}, setupBytes + layerBytes},
	} {
		if got := c.s.holds(); got != c.want {
			t.Errorf("%s: got %d bytes, want %d", name, got, c.want)
		}
	}
}
