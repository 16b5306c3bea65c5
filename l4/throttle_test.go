package l4

import (
	"fmt"
	"io"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A reader is a flow that always has more, read through a throttle on a clock of the test's.
type reader struct {
	throttle
	read  uint64
	woken int
}

// run reads until end, as a session does: in pieces of what is granted, one read at a time, and woken when the next is
// due.
func run(end int64, readers ...*reader) {
	for now := int64(1); now < end; {
		next := never
		for _, s := range readers {
			for n := s.grant(s.read, now); n > 0; n = s.grant(s.read, now) {
				s.read += uint64(n)
				s.settle(s.read, now)
			}
			s.woken++
			next = min(next, s.until)
		}
		now = ceilTick(max(next, now+1)) * wheelTick
	}
}

func TestThrottleKeepsToItsRate(t *testing.T) {
	for _, rate := range []int64{10, 1000, 64 << 10, 1 << 20, 100 << 20, 10 << 30} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			s := &reader{throttle: throttle{lane: &lane{session: Rate{rate, time.Second}}}}
			run(10*second, s)
			want := uint64(11 * rate) // one second's worth is saved up before
			if s.read > want || s.read < want-want/50 {
				t.Errorf("%d bytes in 10 s, want %d", s.read, want)
			}
			if s.woken > 1100 {
				t.Errorf("woken %d times in 10 s", s.woken)
			}
		})
	}
}

// TestSessionsOfASourceTakeTurns has several read at once: together they keep to the rate, and each gets its share.
func TestSessionsOfASourceTakeTurns(t *testing.T) {
	const n, rate = 10, 1 << 20
	var shared bucket
	var all []*reader
	for range n {
		all = append(all, &reader{throttle: throttle{lane: &lane{source: Rate{rate, time.Second}}, shared: &shared}})
	}
	run(second, all...) // who comes first may have what was saved up
	var before [n]uint64
	sum := uint64(0)
	for i, s := range all {
		before[i] = s.read
		sum += s.read
	}
	if most := uint64(2*rate + readSize); sum > most {
		t.Errorf("%d bytes in the first second, want at most %d", sum, most)
	}
	sum = 0
	for now := second; now < 11*second; now += wheelTick {
		for _, s := range all {
			for g := s.grant(s.read, now); g > 0; g = s.grant(s.read, now) {
				s.read += uint64(g)
				s.settle(s.read, now)
			}
		}
	}
	for i, s := range all {
		got := s.read - before[i]
		sum += got
		if want := uint64(10 * rate / n); got < want*9/10 || got > want*11/10 {
			t.Errorf("session %d had %d bytes in 10 s, want about %d", i, got, want)
		}
	}
	if want := uint64(10 * rate); sum < want*98/100 || sum > want*102/100 {
		t.Errorf("%d bytes in 10 s, want %d", sum, want)
	}
}

// TestThrottleTakesBackWhatWasNotRead has a session be granted much and read little: its source's other sessions can
// have the rest.
func TestThrottleTakesBackWhatWasNotRead(t *testing.T) {
	var shared bucket
	r := Rate{1000, time.Second}
	s := throttle{lane: &lane{source: r}, shared: &shared}
	if n := s.grant(0, second); n != 1000 {
		t.Fatalf("granted %d, want 1000", n)
	}
	s.settle(10, second)
	if n := shared.left(second, r); n != 990 {
		t.Errorf("%d are left, want 990", n)
	}
	s.settle(500, second) // read before anybody asked
	if n := shared.left(second, r); n != 500 {
		t.Errorf("%d are left, want 500", n)
	}
}

// clean returns the next Record, which must be of a session that was whole: who finished first is a race.
func (s *testServer) clean(tb testing.TB) Record {
	tb.Helper()
	r := <-s.records
	if !r.Cause.Clean() {
		tb.Errorf("the session ended by %v, want a clean end", r.Cause)
	}
	return r
}

// wantPace fails unless n bytes at a rate, of which a second's worth may come at once, took as long as they must, and
// not much longer.
func wantPace(t *testing.T, took time.Duration, n int64, rate Rate) {
	t.Helper()
	want := time.Duration(rate.cost(n)) - rate.Per
	if took < want-20*time.Millisecond || took > 3*want+2*time.Second {
		t.Errorf("%d bytes took %v, want %v", n, took, want)
	}
}

// TestDownloadIsThrottled goes through each way that bytes can move: copied, spliced, and through TLS.
func TestDownloadIsThrottled(t *testing.T) {
	id := newIdentity(t, "one.example")
	for _, c := range []struct {
		name string
		rate Rate
		tls  bool
	}{
		{"copied", Rate{256 << 10, time.Second}, false},
		{"spliced", Rate{4 << 20, time.Second}, false},
		{"over TLS", Rate{4 << 20, time.Second}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			size := c.rate.N * 3 / 2
			b := l4test.Source(t, 1, size)
			s := serve(t, func(s *Server) {
				s.Limits = Limits{SessionDownload: c.rate}
				if c.tls {
					id.ending(s)
				}
			}, b.Addr())
			began := time.Now()
			if c.tls {
				p := dialTLS(t, s.addr, id.client())
				io.CopyN(io.Discard, p, size)
				wantPace(t, time.Since(began), size, c.rate)
				p.CloseWrite()
				io.Copy(io.Discard, p)
				s.clean(t)
				return
			}
			p := l4test.Dial(t, s.addr).ExpectContent(1, size)
			wantPace(t, time.Since(began), size, c.rate)
			p.CloseWrite().ExpectEOF()
			if r := s.clean(t); r.ToClient != uint64(size) {
				t.Errorf("%d bytes went to the client, want %d", r.ToClient, size)
			}
			least := time.Duration(c.rate.cost(size)) - c.rate.Per
			// A machine that stood still meanwhile may have done the waiting.
			if n := s.Snapshot().FlowWaits; n == 0 && time.Since(began) < least+least/4 {
				t.Error("no wait is counted")
			}
		})
	}
}

// TestUploadIsThrottled has the other direction go at full speed.
func TestUploadIsThrottled(t *testing.T) {
	rate := Rate{512 << 10, time.Second}
	size := rate.N * 3 / 2
	b := l4test.Serve(t, func(p *l4test.Peer) { p.SendContent(2, 8<<20).ExpectContent(1, size).ExpectEOF() })
	s := serve(t, func(s *Server) { s.Limits = Limits{SessionUpload: rate} }, b.Addr())
	began := time.Now()
	p := l4test.Dial(t, s.addr).ExpectContent(2, 8<<20)
	if took := time.Since(began); took > 10*time.Second { // under the limit they would take 15
		t.Errorf("the direction without a limit took %v", took)
	}
	began = time.Now()
	p.SendContent(1, size).CloseWrite().ExpectEOF()
	wantPace(t, time.Since(began), size, rate)
}

// TestSourcesBandwidthIsShared has two sessions of one source.
func TestSourcesBandwidthIsShared(t *testing.T) {
	rate := Rate{1 << 20, time.Second}
	b := l4test.Source(t, 1, rate.N)
	s := serve(t, func(s *Server) { s.Limits = Limits{ClientDownload: rate} }, b.Addr())
	began := time.Now()
	other := l4test.Dial(t, s.addr).Beside(func(p *l4test.Peer) { p.ExpectContent(1, rate.N) })
	l4test.Dial(t, s.addr).ExpectContent(1, rate.N)
	other()
	wantPace(t, time.Since(began), 2*rate.N, rate)
}

// TestWaitingSessionIsNotIdle has one wait for longer than it may stand still. When the waits are over, it may stand
// still as long as any.
func TestWaitingSessionIsNotIdle(t *testing.T) {
	const still = 400 * time.Millisecond
	s := serve(t, func(s *Server) {
		s.IdleTimeout = still
		s.Limits = Limits{SessionDownload: Rate{1, time.Second}}
	}, l4test.Banner(t, "abc").Addr())
	p := l4test.Dial(t, s.addr).Expect("abc")
	p.ExpectReset()
	if r := s.record(t, Idle); r.Total < 2*time.Second+still {
		t.Errorf("ended after %v, want %v", r.Total, 2*time.Second+still)
	}
}

// TestWaitForBandwidthIsNotTheBackends has what a backend says first be held back because its client had all it may
// have in another session.
func TestWaitForBandwidthIsNotTheBackends(t *testing.T) {
	rate := Rate{1, 2 * time.Second}
	s := serve(t, func(s *Server) { s.Limits = Limits{ClientDownload: rate} }, l4test.Banner(t, "a").Addr())
	l4test.Dial(t, s.addr).Expect("a")
	began := time.Now()
	l4test.Dial(t, s.addr).Expect("a").Reset()
	if took := time.Since(began); took < rate.Per/2 {
		t.Errorf("the byte was held back for %v, want %v", took, rate.Per)
	}
	if r := s.record(t, ClientReset); r.FirstByte < 0 || r.FirstByte > rate.Per/2 {
		t.Errorf("the first byte is said to have come after %v", r.FirstByte)
	}
	if took := s.Pool.Snapshot().Backends[0].FirstByteTime; took > rate.Per/16 {
		t.Errorf("the backend is known for %v to its first byte", took)
	}
}

// TestEndNeedsNoBandwidth has a client that has used up what it may have be told of an end.
func TestEndNeedsNoBandwidth(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) { p.Send("a").Expect("b").CloseWrite().ExpectEOF() })
	s := serve(t, func(s *Server) { s.Limits = Limits{SessionDownload: Rate{1, time.Hour}} }, b.Addr())
	l4test.Dial(t, s.addr).Expect("a").Send("b").ExpectEOF().CloseWrite()
	s.record(t, BackendClosed)
	if n := s.Snapshot().FlowWaits; n != 0 {
		t.Errorf("%d waits are counted, want none", n)
	}
}

// TestIdleSessionHoldsNoBandwidth has one session use little of what its source may have: another gets the rest, and no
// more than that.
func TestIdleSessionHoldsNoBandwidth(t *testing.T) {
	s := serve(t, func(s *Server) { s.Limits = Limits{ClientUpload: Rate{5, time.Hour}} }, l4test.Echo(t).Addr())
	l4test.Dial(t, s.addr).Send("a").Expect("a")
	p := l4test.Dial(t, s.addr).Send("bcdefghi").Expect("bcde")
	l4test.Await(t, 5*time.Second, "the flow waits", func() bool { return s.Snapshot().FlowWaits > 0 })
	if n := p.Unread(); n > 0 {
		t.Errorf("%d bytes more than the source may send have passed", n)
	}
	p.Reset()
}

// TestThrottledResetIsDelivered has the backend die while the client is still owed what it sent: that is not held up.
func TestThrottledResetIsDelivered(t *testing.T) {
	const size = 40 << 10
	b := l4test.Dying(t, 1, size)
	s := serve(t, func(s *Server) { s.Limits = Limits{SessionDownload: Rate{1 << 10, time.Second}} }, b.Addr())
	l4test.Dial(t, s.addr).ExpectContent(1, size).ExpectReset()
	s.record(t, BackendReset)
}

// TestWaitingFlowHoldsNoPipe has a spliced flow wait.
func TestWaitingFlowHoldsNoPipe(t *testing.T) {
	b := l4test.Serve(t, sendUntilReset)
	s := serve(t, func(s *Server) { s.Limits = Limits{SessionDownload: Rate{8 << 20, 8 * time.Second}} }, b.Addr())
	p := l4test.Dial(t, s.addr)
	io.CopyN(io.Discard, p.Conn(), 8<<20)
	borrowed := func() int {
		found := make(chan int)
		l := s.loops[0]
		l.post(func() { found <- l.pipes.made - len(l.pipes.idle) })
		return <-found
	}
	l4test.Await(t, 5*time.Second, "the flow waits", func() bool { return s.Snapshot().FlowWaits > 0 })
	if n := borrowed(); n != 0 {
		t.Errorf("%d pipes are borrowed while the flow waits", n)
	}
	p.Reset()
}

// BenchmarkThrottle is what one message costs more in a session whose bandwidth is limited, and that of its source too.
func BenchmarkThrottle(b *testing.B) {
	b.ReportAllocs()
	rate := Rate{1 << 30, time.Second}
	var shared bucket
	t := throttle{lane: &lane{session: rate, source: rate}, shared: &shared}
	read := uint64(0)
	for now := second; b.Loop(); now += 10_000 {
		if t.grant(read, now) > 0 {
			read += 512
			t.settle(read, now)
		}
	}
}
