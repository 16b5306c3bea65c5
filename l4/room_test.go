package l4

import (
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
	"forebay/pool"
)

// fullUNIX returns the address of a UNIX socket whose accept queue is full, and what takes one connection off it.
func fullUNIX(t *testing.T) (addr string, accept func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil { // it holds one
		t.Fatal(err)
	}
	l4test.Dial(t, "unix:"+path)
	return "unix:" + path, func() {
		conn, _, err := unix.Accept(fd)
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { unix.Close(conn) })
	}
}

// TestFullUNIXSocketIsWaitedFor has the queue of the only backend be full for a while.
func TestFullUNIXSocketIsWaitedFor(t *testing.T) {
	addr, accept := fullUNIX(t)
	s := serve(t, func(s *Server) { s.ConnectTimeout, s.Tries = time.Minute, 1 }, addr)
	p := l4test.Dial(t, s.addr).Send("x")
	l4test.Await(t, patience, "the try waits", func() bool { return s.has(dialing) })
	accept()
	l4test.Await(t, patience, "it has got in", func() bool { return s.has(relaying) })
	p.Reset()
	if r := s.record(t, ClientReset); len(r.Tries) != 1 || r.Tries[0].Result != pool.Served {
		t.Errorf("tries %+v, want one that connected", r.Tries)
	}
}

// TestFullUNIXSocketIsGivenUp has it be full for longer than a connect may take.
func TestFullUNIXSocketIsGivenUp(t *testing.T) {
	addr, _ := fullUNIX(t)
	s := serve(t, func(s *Server) { s.ConnectTimeout, s.Tries = 300*time.Millisecond, 1 }, addr)
	l4test.Dial(t, s.addr).Send("x").ExpectReset()
	r := s.record(t, ConnectFailed)
	if len(r.Tries) != 1 || r.Tries[0].Result != pool.TimedOut || r.Total < 300*time.Millisecond {
		t.Errorf("%v and tries %+v, want one that timed out after 300ms", r.Total, r.Tries)
	}
}

// While one try waits for a full UNIX socket, the events of the try beside it are that one's. Else it would wait for
// them in vain, and end with the connect timeout.
func TestTryBesideFullUNIXSocketHasItsEvents(t *testing.T) {
	addr, _ := fullUNIX(t)
	s := serve(t, func(s *Server) { s.ConnectTimeout = time.Minute }, addr, l4test.Echo(t).Addr())
	p := l4test.Dial(t, s.addr).Send("x")
	l4test.Await(t, patience, "the try waits", func() bool { return s.has(dialing) })
	s.onOne(func(l *loop, one *session) {
		lease, err := one.setup.route.Pool.Pick(&one.setup.request)
		if err != nil {
			t.Error(err)
			return
		}
		one.start(lease)
		second := &one.setup.attempts[1].side
		if one.side(int32(second.number)) != second {
			t.Errorf("an event for socket %d of the session is taken for the other try's", second.number)
		}
		l.step(one)
	})
	p.Expect("x").CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
}
