package main

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// startTestBackend runs a backend for the length of the test and returns one of its addresses.
func startTestBackend(t *testing.T) string {
	t.Helper()
	b, err := newBackend()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.run(); err != nil {
			t.Errorf("the backend: %v", err)
		}
	})
	t.Cleanup(func() {
		b.stop()
		wg.Wait()
	})
	return b.addrs[1]
}

// startScript accepts connections for the length of the test, numbers them from 0, and has serve deal with each on a
// goroutine of its own. They are closed at the end of the test at the latest.
func startScript(t *testing.T, serve func(n int, conn net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		var conns []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			n := len(conns)
			conns = append(conns, conn)
			wg.Go(func() { serve(n, conn) })
		}
		for _, conn := range conns {
			conn.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// answer answers one request on conn and reports whether there was one.
func answer(conn net.Conn) bool {
	var b [answerSize]byte
	if _, err := io.ReadFull(conn, b[:requestSize]); err != nil {
		return false
	}
	_, n := parseRequest(b[:])
	putAnswer(b[:], n)
	_, err := conn.Write(b[:])
	return err == nil
}

func newTestEngine(t *testing.T, addr string, conns int) *engine {
	t.Helper()
	e, err := newEngine(netip.MustParseAddrPort(addr), conns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.close)
	return e
}

func TestExchangesOnKeptConnections(t *testing.T) {
	e := newTestEngine(t, startTestBackend(t), 8)
	r, err := e.run(workload{Count: 1000, Stall: loadStall})
	if err != nil || r.Done != 1000 || r.Failed != 0 || r.Held != 8 {
		t.Errorf("got %+v, %v, want 1000 done, 0 failed, 8 held", r, err)
	}
	if r.P50 <= 0 || r.P99 < r.P50 || r.Read99 < r.P99 || r.Took < r.Read99 {
		t.Errorf("got p50 %v, p99 %v, p99 until read %v, took %v, want them to grow", r.P50, r.P99, r.Read99, r.Took)
	}
}

func TestEachExchangeOnAFreshConnection(t *testing.T) {
	var accepted atomic.Int64
	addr := startScript(t, func(_ int, conn net.Conn) {
		accepted.Add(1)
		answer(conn)
	})
	e := newTestEngine(t, addr, 4)
	r, err := e.run(workload{Count: 40, Fresh: true, Stall: loadStall})
	if err != nil || r.Done != 40 || r.Held != 0 {
		t.Errorf("got %+v, %v, want 40 done and none held", r, err)
	}
	if got := accepted.Load(); got != 40 {
		t.Errorf("got %d connections, want 40", got)
	}
}

func TestRateIsKept(t *testing.T) {
	e := newTestEngine(t, startTestBackend(t), 4)
	r, err := e.run(workload{Count: 100, Rate: 1000, Stall: loadStall})
	if err != nil || r.Done != 100 {
		t.Fatalf("got %+v, %v, want 100 done", r, err)
	}
	if r.Took < 99*time.Millisecond {
		t.Errorf("took %v, want 99 ms at least", r.Took)
	}
}

// TestLatencyCountsFromWhenItWasDue has one connection, and a server that is late with its first answer.
func TestLatencyCountsFromWhenItWasDue(t *testing.T) {
	const pause = 100 * time.Millisecond
	e := newTestEngine(t, startScript(t, func(_ int, conn net.Conn) {
		<-time.After(pause)
		for answer(conn) {
		}
	}), 1)
	r, err := e.run(workload{Count: 20, Rate: 1000, Stall: loadStall})
	if err != nil || r.Done != 20 {
		t.Fatalf("got %+v, %v, want 20 done", r, err)
	}
	if r.P50 < pause/2 {
		t.Errorf("p50 %v, want the pause of %v in the latency of those that waited for it", r.P50, pause)
	}
}

func TestStallIsAnError(t *testing.T) {
	e := newTestEngine(t, startScript(t, func(int, net.Conn) {}), 4)
	r, err := e.run(workload{Count: 10, Stall: 300 * time.Millisecond})
	if !errors.Is(err, errStalled) || r.Done != 0 {
		t.Errorf("got %+v, %v, want errStalled", r, err)
	}
}

func TestWrongAnswersFail(t *testing.T) {
	tests := []struct{ name, answer, want string }{
		{"another request's", strings.Repeat("x", answerSize), "do not answer request 0"},
		{"too long", strings.Repeat("\x00", answerSize+1), "got 513 bytes"},
		{"cut", strings.Repeat("\x00", answerSize-1), "ended after 511 of 512 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			addr := startScript(t, func(_ int, conn net.Conn) {
				conn.Read(make([]byte, requestSize))
				conn.Write([]byte(test.answer))
				conn.Close()
			})
			e := newTestEngine(t, addr, 1)
			r, err := e.run(workload{Count: 1, Stall: loadStall})
			if err != nil || r.Failed != 1 || !strings.Contains(r.LastError, test.want) {
				t.Errorf("got %+v, %v, want one failure with %q", r, err, test.want)
			}
		})
	}
}

// TestHoldCountsWhatIsAnswered: a server that serves every third connection and leaves the others waiting.
func TestHoldCountsWhatIsAnswered(t *testing.T) {
	addr := startScript(t, func(n int, conn net.Conn) {
		for n%3 == 2 && answer(conn) {
		}
	})
	l := &loader{}
	r, err := l.do(job{Verb: "prepare", Kind: "hold", Addr: addr, Conns: 10})
	if err != nil || r.Held != 3 {
		t.Errorf("prepare: got %+v, %v, want 3 held", r, err)
	}
	for i, c := range l.task.(*holdTask).engine.conns {
		if (c.fd >= 0) != c.held {
			t.Errorf("connection %d: descriptor %d, held %v; want those closed that are not held", i, c.fd, c.held)
		}
	}
	if _, err := l.do(job{Verb: "start"}); err != nil {
		t.Fatal(err)
	}
	r, err = l.do(job{Verb: "wait"})
	if err != nil || r.Held != 3 || r.Done != 3 {
		t.Errorf("again: got %+v, %v, want 3 done and held", r, err)
	}
	l.close()
}

func TestBulk(t *testing.T) {
	b, err := newBulkLoad(dialer(startTestBackend(t)), 2, 1<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	r := b.run(5, nil)
	if r.Done != 5 || r.Failed != 0 || r.Bytes != 5<<20 {
		t.Errorf("got %+v, want 5 blocks of 1 MiB", r)
	}
	stop := make(chan struct{})
	close(stop)
	if r := b.run(5, stop); r.Done != 0 {
		t.Errorf("stopped before: got %+v, want nothing done", r)
	}
}

func TestBulkKeepsToItsRate(t *testing.T) {
	b, err := newBulkLoad(dialer(startTestBackend(t)), 2, 4<<20, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	// 4 MiB at 32 MiB/s, less what the last read of up to 256 KiB brings in advance.
	if r := b.run(2, nil); r.Done != 2 || r.Took < 110*time.Millisecond {
		t.Errorf("got %+v, want two blocks in 125 ms or so", r)
	}
}

func TestBulkThatEndsEarlyFails(t *testing.T) {
	addr := startScript(t, func(_ int, conn net.Conn) {
		conn.Read(make([]byte, requestSize))
		conn.Write(make([]byte, 1000))
		conn.Close()
	})
	_, err := newBulkLoad(dialer(addr), 1, 1500, 0)
	if want := "the stream ended 500 bytes short of 1500"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestUnknownVerbAndKind(t *testing.T) {
	for _, j := range []job{{Verb: "go"}, {Verb: "prepare", Kind: "ping"}, {Verb: "start"}} {
		if _, err := (&loader{}).do(j); err == nil {
			t.Errorf("%+v: got no error", j)
		}
	}
}

func dialer(addr string) func() (net.Conn, error) {
	return func() (net.Conn, error) { return net.Dial("tcp", addr) }
}
