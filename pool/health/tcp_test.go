package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// The program behind the kernel that was asked never learns of it: of a hundred checks and one connection, it accepts
// the connection. A check that a busy machine holds up for as long as the kernel holds back the acknowledgement, 200
// ms, may be seen.
func TestTCPIsNotSeen(t *testing.T) {
	for host, at := range map[string]string{"127.0.0.1": "127.0.0.1:0", "[::1]": "[::1]:0", "localhost": "127.0.0.1:0"} {
		t.Run(host, func(t *testing.T) {
			b := l4test.ServeAt(t, at, func(p *l4test.Peer) { p.ReceiveAll() })
			_, port, _ := net.SplitHostPort(b.Addr())
			slow := 0
			for range 100 {
				r := ask(t, TCP{}, host+":"+port)
				wantUp(t, r)
				if r.Took > 100*time.Millisecond {
					slow++
				}
			}
			l4test.Dial(t, b.Addr()).CloseWrite().ExpectEOF()
			if n := b.Accepted(); n < 1 || n > 1+slow {
				t.Errorf("the server accepted %d connections, want 1; %d checks were slow", n, slow)
			}
		})
	}
}

// A listener that accepts nothing more is noticed when its queue is full.
func TestTCPFullQueueIsDown(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	addr := l4test.BlackHole(t)
	wantDown(t, TCP{}.Probe(ctx, target(addr)), addr, "no answer in time")
}

// A handshake that takes its time, here until the SYN that a full queue dropped is sent again (RFC 6298: after 1 s), is
// waited for.
func TestTCPAwaitsTheHandshake(t *testing.T) {
	t.Parallel()
	fd, addr := fullQueue(t)
	ended := make(chan Result)
	go func() { ended <- ask(t, TCP{}, addr) }()
	l4test.Await(t, patience, "a SYN is on its way", func() bool { return synSent(t, addr) })
	accepted, _, err := syscall.Accept(fd)
	if err != nil {
		t.Error(err)
	}
	syscall.Close(accepted)
	r := <-ended
	wantUp(t, r)
	if r.Took < 500*time.Millisecond {
		t.Errorf("took %v, want that of the second SYN", r.Took)
	}
}

// synSent reports whether a connection to addr, of 127.0.0.1, has state SYN-SENT (proc_pid_net(5)).
func synSent(t *testing.T, addr string) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(table), fmt.Sprintf(" 0100007F:%04X 02 ", netip.MustParseAddrPort(addr).Port()))
}

// fullQueue returns a listener with a backlog of 0, which holds one connection.
func fullQueue(t *testing.T) (fd int, addr string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr = "127.0.0.1:" + strconv.Itoa(name.(*syscall.SockaddrInet4).Port)
	l4test.Dial(t, addr)
	return fd, addr
}

// A UNIX socket can't be asked unseen: the connection has the header, where one is wanted, and nothing else.
func TestTCPOverUNIXSocket(t *testing.T) {
	b := l4test.ServeAt(t, "unix:"+l4test.SocketPath(t), func(p *l4test.Peer) { p.Expect(localV1).ExpectEOF() })
	wantUp(t, ask(t, TCP{Dialer{Header: HeaderV1}}, b.Addr()))
	b.AwaitDone(1)
	wantDown(t, ask(t, TCP{}, "unix:/nowhere/s"), "connect to /nowhere/s", "no such file")
}

// Without descriptors nothing is known of the backend.
func TestOwnFaults(t *testing.T) {
	addr := l4test.Discard(t).Addr()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := before
	none.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	raw, dialed := ask(t, TCP{}, addr), ask(t, Redis{}, addr)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	for _, r := range []Result{raw, dialed} {
		wantDown(t, r, "too many open files")
		if !OurOwn(r.Err) {
			t.Errorf("%v is told to be the backend's fault", r.Err)
		}
	}
}

// A name that nobody can look up just now says nothing of the backend; one that does not exist is a slip that must
// show.
func TestLookupFaults(t *testing.T) {
	for lookup, want := range map[*net.DNSError]bool{
		{Err: "server misbehaving", IsTemporary: true}: true, {Err: "i/o timeout", IsTimeout: true}: true, {Err: "no such host", IsNotFound: true}: false,
	} {
		d := Dialer{Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: lookup}
		}}
		r := ask(t, Redis{Dialer: d}, "a.example:80")
		wantDown(t, r, "connect to a.example:80: lookup", lookup.Err)
		if got := OurOwn(r.Err); got != want {
			t.Errorf("%v: got our own: %v, want %v", r.Err, got, want)
		}
	}
}

// Where the name server is silent, the time of the check is up before that of the look-up (as net.Resolver tells it
// then). It says as little of the backend.
func TestSilentNameServer(t *testing.T) {
	silent := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "i/o timeout", Name: "a.example", IsTimeout: true}}
	}
	for kind, p := range everyProbe(Dialer{Dial: silent}) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		r := p.Probe(ctx, target("a.example:80"))
		cancel()
		wantDown(t, r, "lookup a.example: i/o timeout")
		if !OurOwn(r.Err) {
			t.Errorf("%s: %v is told to be the backend's fault", kind, r.Err)
		}
	}
}

// BenchmarkTCP measures one check over loopback.
func BenchmarkTCP(b *testing.B) {
	t := target(l4test.Discard(b).Addr())
	b.ReportAllocs()
	for b.Loop() {
		if r := (TCP{}).Probe(b.Context(), t); r.Err != nil {
			b.Fatal(r.Err)
		}
	}
}

// A UNIX socket whose queue is full for a moment is no server that refuses: the check waits, as one over TCP does.
func TestFullUNIXQueueIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		t.Cleanup(func() { syscall.Close(fd) })
		err = errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	target := Target{Network: "unix", Address: path}
	if r := (TCP{}).Probe(t.Context(), target); r.Err != nil { // the queue holds one
		t.Fatal(r.Err)
	}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if r := (TCP{}).Probe(short, target); !errors.Is(r.Err, ErrTimeout) {
		t.Errorf("with a full queue the check says %v, want %v", r.Err, ErrTimeout)
	}
	result := make(chan Result, 1)
	go func() { result <- (TCP{}).Probe(t.Context(), target) }()
	conn, _, err := syscall.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Close(conn)
	if r := <-result; r.Err != nil {
		t.Errorf("with room again the check says %v", r.Err)
	}
}
