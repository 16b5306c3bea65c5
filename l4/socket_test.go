package l4

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
	"forebay/pool"
)

// inStock returns how many sockets the server's first loop keeps.
func (s *testServer) inStock() (n int) {
	s.onLoops(func(l *loop) { n = len(l.sockets.idle[0]) + len(l.sockets.idle[1]) })
	return n
}

// A socket that ended cleanly is as good as new: the next session has its own bytes, and both ways to end.
func TestSocketsAreUsedAgain(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("with one processor no loop keeps it")
	}
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		s := serve(t, nil, l4test.ServeAt(t, addr, l4test.EchoScript).Addr())
		most := 0
		for i := range 50 {
			text := strings.Repeat("x", i) + "end"
			l4test.Dial(t, s.addr).Send(text).Expect(text).CloseWrite().ExpectEOF()
			s.record(t, ClientClosed)
			most = max(most, s.inStock())
		}
		if most == 0 || most > 3 {
			t.Errorf("%s: up to %d sockets in stock with one session at a time, want one or two", addr, most)
		}
		l4test.Await(t, patience, "idle loop to keep no socket", func() bool {
			<-time.After(2 * rawSleep) // each question wakes the loop up
			return s.inStock() == 0
		})
	}
}

// After a server that closes first, as one that answers a single request does, too.
func TestSocketsAreUsedAgainAfterTheServersEnd(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("with one processor no loop keeps it")
	}
	s := serve(t, nil, l4test.Serve(t, func(p *l4test.Peer) { p.Receive(3); p.Send("answer") }).Addr())
	most := 0
	for range 50 {
		l4test.Dial(t, s.addr).Send("ask").Expect("answer").ExpectEOF().Close()
		s.record(t, BackendClosed)
		most = max(most, s.inStock())
	}
	if most == 0 {
		t.Error("no socket was kept")
	}
}

// What did not end cleanly, or was given something of its own, is closed.
func TestSocketsThatAreNotKept(t *testing.T) {
	echo := func(p *l4test.Peer) { p.Send("hello").Expect("hello").CloseWrite().ExpectEOF() }
	for name, c := range map[string]struct {
		configure func(*Server)
		backend   *l4test.Backend
		client    func(*l4test.Peer)
	}{
		"reset by the client":  {nil, l4test.Echo(t), func(p *l4test.Peer) { p.Send("hello").Expect("hello").Reset() }},
		"reset by the backend": {nil, l4test.AcceptAndReset(t), (*l4test.Peer).ExpectReset},
		"a source address":     {func(s *Server) { s.Sources = []netip.Addr{netip.MustParseAddr("127.0.0.1")} }, l4test.Echo(t), echo},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.configure, c.backend.Addr())
			for range 10 {
				c.client(l4test.Dial(t, s.addr))
				<-s.records
				if n := s.inStock(); n != 0 {
					t.Fatalf("%d sockets in stock", n)
				}
			}
		})
	}
}

func TestStock(t *testing.T) {
	echo := l4test.Echo(t)
	to := netip.MustParseAddrPort(echo.Addr())
	stock := sockets{most: 1}
	defer stock.close()
	fd, _ := stream(unix.AF_INET)
	connectAndUse(t, fd, to)
	if !stock.keep(released{fd}, unix.AF_INET) {
		t.Fatal("a socket that is over was not kept")
	}
	if _, ok := stock.borrow(unix.AF_INET6); ok {
		t.Error("an IPv6 socket was lent, and only one of IPv4 is there")
	}
	other, _ := stream(unix.AF_INET)
	defer closeFD(other)
	if stock.keep(released{other}, unix.AF_INET) {
		t.Error("more was kept than may be")
	}
	again, ok := stock.borrow(unix.AF_INET)
	if !ok || again != fd {
		t.Fatalf("borrowed %d (%v), want %d", again, ok, fd)
	}
	defer closeFD(again)
	connectAndUse(t, again, to)
	if _, ok := stock.borrow(unix.AF_INET); ok {
		t.Error("one socket was lent twice")
	}
}

// connectAndUse has fd carry a few bytes to an echo and back, and ends both directions.
func connectAndUse(t *testing.T, fd int32, to netip.AddrPort) {
	t.Helper()
	var raw unix.RawSockaddrAny
	_, size := rawAddress(pool.TCPAddress(to), &raw)
	if e := connect(fd, &raw, size); e != 0 && e != unix.EINPROGRESS {
		t.Fatal(e)
	}
	await := func(what string, ok func() bool) { t.Helper(); l4test.Await(t, patience, what, ok) }
	await("a connection", func() bool { return peerName(fd, &raw) == 0 })
	send(fd, []byte("hello"), 0)
	buf := make([]byte, 16)
	got := 0
	await("the echo", func() bool { n, _ := recv(fd, buf[got:]); got += max(n, 0); return got == 5 })
	if string(buf[:got]) != "hello" {
		t.Errorf("got %q back", buf[:got])
	}
	shutdownWrite(fd)
	await("the end", func() bool { n, e := recv(fd, buf); return n == 0 && e == 0 })
	await("the last acknowledgement", func() bool { return unacknowledged(fd) == 0 })
}

// Bytes that are there when a backend is connected are taken first, and lost in none of the ways that this can go on.
func TestFirstBytesAreReadAhead(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 2*readSize/16) // more than one read
	for name, text := range map[string]string{"short": "hello", "long": long} {
		for what, backends := range map[string][]string{
			"":                   {l4test.Echo(t).Addr()},
			" after a refusal":   {l4test.Refused(t), l4test.Echo(t).Addr()},
			" after a timeout":   {l4test.BlackHole(t), l4test.Echo(t).Addr()},
			" at a UNIX socket":  {l4test.ServeAt(t, "unix:"+l4test.SocketPath(t), l4test.EchoScript).Addr()},
			" with a black hole": {l4test.BlackHole(t), l4test.BlackHole(t), l4test.Echo(t).Addr()},
		} {
			t.Run(name+what, func(t *testing.T) {
				t.Parallel()
				s := servePool(t, func(s *Server) {
					s.ConnectTimeout, s.ConnectBudget = 100*time.Millisecond, time.Minute
				}, pool.Options{Policy: pool.First}, configsOf(t, backends)...)
				var waits [4]func()
				for i := range waits { // at once, with one buffer
					waits[i] = l4test.Dial(t, s.addr).Beside(func(p *l4test.Peer) {
						own := fmt.Sprint(i) + text[1:]
						p.Send(own).Expect(own).CloseWrite().ExpectEOF()
					})
				}
				for _, wait := range waits {
					wait()
					if r := s.record(t, ClientClosed); r.FromClient != uint64(len(text)) || r.ToBackend != r.FromClient {
						t.Errorf("%d bytes from the client and %d to the backend, want %d each", r.FromClient, r.ToBackend, len(text))
					}
				}
			})
		}
	}
}

func configsOf(tb testing.TB, addresses []string) (all []pool.Config) {
	for _, a := range addresses {
		all = append(all, backend(tb, a))
	}
	return all
}

// One packet acknowledges the backend's SYN-ACK and carries the client's first bytes; a silent client's backend hears
// of it at once all the same.
func TestSilentClientIsAnnounced(t *testing.T) {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s := serve(t, nil, ln.Addr().String())
	for range 5 {
		p := l4test.Dial(t, s.addr)
		began := time.Now()
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		c.Close()
		p.ExpectEOF().Close()
		s.record(t, BackendClosed)
		if took < 150*time.Millisecond { // the delay of an acknowledgement that waits for data is 200 ms
			return
		}
	}
	t.Error("each of five backends heard of its client only after the delay of an acknowledgement")
}
