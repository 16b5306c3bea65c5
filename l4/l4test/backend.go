package l4test

import (
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A Backend accepts connections and plays a script on each. It ends, with all its connections, when the test does. Its
// address stays its own until then, whatever happens to the Backend: another one may be started there.
type Backend struct {
	tb       testing.TB
	listener net.Listener
	addr     string
	script   func(*Peer)
	accepted atomic.Int64
	done     chan struct{} // closed by Close
	running  sync.WaitGroup

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

// Serve starts a Backend on a free port of 127.0.0.1, or of the other host where AgainOnTwoHosts says so. script is run
// for each connection, on a goroutine of its own; the connection is closed when it returns.
func Serve(tb testing.TB, script func(*Peer)) *Backend {
	tb.Helper()
	return ServeAt(tb, anywhere(), script)
}

// ServeAt is Serve at an address; port 0 is any free one. It may be one of the other host's, see TwoHosts.
func ServeAt(tb testing.TB, addr string, script func(*Peer)) *Backend {
	tb.Helper()
	return listen(tb, addr, script, nil)
}

// ServeNarrow is Serve with a receive buffer of so many bytes for each connection, as DialNarrow has one.
func ServeNarrow(tb testing.TB, bytes int, script func(*Peer)) *Backend {
	tb.Helper()
	return listen(tb, anywhere(), script, narrow(bytes))
}

// ServeAbruptAt is ServeAt for a Backend that resets its connections when it ends, or their scripts do. This holds from
// when the kernel has made a connection, so for those, too, that no script has seen yet. A script may set SO_LINGER
// otherwise.
func ServeAbruptAt(tb testing.TB, addr string, script func(*Peer)) *Backend {
	tb.Helper()
	return listen(tb, addr, script, abrupt)
}

func listen(tb testing.TB, addr string, script func(*Peer), prepare preparation) *Backend {
	tb.Helper()
	network, address := split(addr)
	if network == "tcp" {
		address = Reserve(tb, address)
	}
	config := net.ListenConfig{Control: prepare}
	var l net.Listener
	err := whereItIs(address, func() (err error) {
		l, err = config.Listen(tb.Context(), network, address)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return serve(tb, l, script)
}

func serve(tb testing.TB, l net.Listener, script func(*Peer)) *Backend {
	b := &Backend{
		tb: tb, listener: l, addr: operand(l.Addr()), script: script,
		done: make(chan struct{}), open: make(map[net.Conn]struct{}),
	}
	tb.Cleanup(b.Close)
	b.running.Go(b.accept)
	return b
}

// operand returns a as an operator writes it.
func operand(a net.Addr) string {
	if a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return a.String()
}

// Addr returns where the Backend listens.
func (b *Backend) Addr() string { return b.addr }

// Accepted returns how many connections it has accepted.
func (b *Backend) Accepted() int { return int(b.accepted.Load()) }

// Open returns how many of them are still open.
func (b *Backend) Open() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.open)
}

// AwaitDone returns when n connections have been accepted and the scripts of all have ended. A failure of a script that
// runs into the Backend's own end is not told, so a test that relies on its scripts waits here.
func (b *Backend) AwaitDone(n int) {
	b.tb.Helper()
	Await(b.tb, stepLimit, fmt.Sprintf("the scripts of %d connections have ended", n), func() bool {
		return b.Accepted() >= n && b.Open() == 0
	})
}

// StopListening closes the listening socket and leaves the connections: what comes now is refused. Closing alone would
// not do: a command that the test starts at this moment has a copy of the socket until execve(2), and what is connected
// to that copy is reset a moment later. shutdown(2) ends the listening itself.
func (b *Backend) StopListening() {
	if l, ok := b.listener.(syscall.Conn); ok {
		if raw, err := l.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RDWR) })
		}
	}
	b.listener.Close()
}

// Close ends the Backend and all its connections, and returns when its scripts have. It may be called again.
func (b *Backend) Close() {
	b.StopListening()
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.done)
	}
	for conn := range b.open {
		conn.Close()
	}
	b.mu.Unlock()
	b.running.Wait()
}

func (b *Backend) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return // closed: nothing else ends a listener of a test
		}
		if !b.add(conn) {
			reset(conn) // as the kernel does with what has not been accepted
			return
		}
		b.running.Go(func() { b.play(conn) })
	}
}

func (b *Backend) play(conn net.Conn) {
	defer b.remove(conn)
	b.script(&Peer{tb: b.tb, conn: conn.(stream), fail: failOnOwnGoroutine(b.tb, b.ended), ended: b.done})
}

func (b *Backend) ended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func (b *Backend) add(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.accepted.Add(1)
	b.open[conn] = struct{}{}
	return true
}

// remove forgets conn before it closes it: who has seen the FIN finds it gone.
func (b *Backend) remove(conn net.Conn) {
	b.mu.Lock()
	delete(b.open, conn)
	b.mu.Unlock()
	conn.Close()
}

// SocketPath returns a path for a UNIX socket, short enough for one (unix(7): 108 bytes), in a directory that ends with
// the test.
func SocketPath(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "l4test")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir + "/s"
}
