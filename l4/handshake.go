package l4

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A handshake is a TLS handshake under way. It is blocking code and keeps a processor busy, so it has a goroutine of its own, which reads
// and writes the socket while the loop waits for the outcome and says when something has happened to the socket. A server computes so many
// at once; one that waits for its peer leaves its place to another, so that slow peers keep nobody waiting.
type handshake struct {
	places chan struct{} // one taken for each that computes
	wake   chan struct{} // the loop has seen an event of the socket
	fd     int32
	began  int64 // ns on the server's clock
	ended  int64
	done   bool  // known to the loop
	err    error // why it failed
	told   error // the same by Explain; nil: crypto/tls says it

	mu   sync.Mutex
	gone bool // the session has no use for it any more, and the socket is closed
}

var errAbandoned = errors.New("the session has ended")

// A part makes one end of a TLS connection: tls.Server or tls.Client.
type part func(net.Conn, *tls.Config) *tls.Conn

// shake begins TLS on e. first is what has been read from the peer already.
func (s *session) shake(e *side, play part, config *tls.Config, first []byte) {
	server, loop, shaken := s.loop.server, s.loop, s.ref()
	h := &handshake{places: server.places, wake: make(chan struct{}, 1), fd: e.fd, began: server.clock()}
	l := &layer{shake: h, first: first}
	l.conn = play(l, config)
	e.layer = l
	if e.tcp {
		keepOutOfLine(e.fd)
	}
	e.readable, e.writable = false, false // watched for both from now on
	server.shaking.Add(1)
	server.group.Go(func() {
		err := h.run(l.conn, server)
		server.shaking.Add(-1)
		server.tidier.shook()
		loop.post(func() {
			if h.gone {
				return
			}
			h.done, h.err, h.ended = true, err, server.clock()
			if s := loop.find(shaken); s != nil {
				loop.step(s)
			}
		})
	})
}

// run carries the handshake out. A bug in what it calls ends this one and not the process.
func (h *handshake) run(conn *tls.Conn, server *Server) (err error) {
	deepen()
	h.places <- struct{}{}
	defer func() {
		<-h.places
		if bug := recover(); bug != nil {
			server.log().Error("a TLS handshake failed because of a bug", "panic", fmt.Sprint(bug), "stack", string(debug.Stack()))
			err = fmt.Errorf("internal bug: %v", bug)
		}
	}()
	if err = conn.Handshake(); err != nil && h.told != nil {
		return h.told
	}
	return err
}

// Explain makes why the fault of hello's client, if its handshake fails, in the place of what crypto/tls says. It is for what a Config calls
// while a handshake goes on, such as GetCertificate.
func Explain(hello *tls.ClientHelloInfo, why error) {
	if l, ok := hello.Conn.(*layer); ok {
		l.shake.told = why
	}
}

// deepen makes the goroutine's stack as large as a handshake needs, while there is nothing on it to be copied. Growing step by step, each
// time with all frames on it, cost 3 % of a handshake.
//
//go:noinline
func deepen() {
	var room [12 << 10]byte
	runtime.KeepAlive(&room)
}

// progress tells the handshake what has happened to e, and reports whether it is over. If it succeeded, e is the loop's again.
func (h *handshake) progress(e *side) (done bool, err error) {
	if !h.done {
		if e.readable || e.writable || e.hungUp {
			e.readable = false
			h.poke()
		}
		return false, nil
	}
	if h.err != nil {
		return true, h.err
	}
	e.layer.shake, e.layer.took = nil, h.ended-h.began
	e.readable, e.writable = true, true // what came last may have been more than the handshake
	return true, nil
}

func (h *handshake) poke() {
	select {
	case h.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// abandon makes the handshake end without another system call on its socket.
func (h *handshake) abandon() {
	h.mu.Lock()
	h.gone = true
	h.mu.Unlock()
	h.poke()
}

func (h *handshake) read(p []byte) (int, error) {
	n, err := h.call(func() (int, syscall.Errno) { return recv(h.fd, p) })
	if n == 0 && err == nil {
		return 0, errTruncated
	}
	return n, err
}

func (h *handshake) write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = h.call(func() (int, syscall.Errno) { return send(h.fd, p[n:], 0) })
		n += m
	}
	return n, err
}

// call carries out a system call on the socket, as soon as it can be.
func (h *handshake) call(f func() (int, syscall.Errno)) (int, error) {
	for {
		n, errno := h.guarded(f)
		switch errno {
		case 0:
			return n, nil
		case unix.EAGAIN:
			h.pause()
		case unix.ECANCELED:
			return 0, errAbandoned
		default:
			return 0, errno
		}
	}
}

// guarded calls f unless the socket is gone; abandon waits for it.
func (h *handshake) guarded(f func() (int, syscall.Errno)) (int, syscall.Errno) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone {
		return 0, unix.ECANCELED
	}
	return f()
}

// pause leaves the place to another handshake until something has happened to the socket.
func (h *handshake) pause() {
	<-h.places
	<-h.wake
	h.places <- struct{}{}
}

// handshakes is how many may compute at once.
func (s *Server) handshakes() int {
	if s.Handshakes > 0 {
		return s.Handshakes
	}
	return runtime.GOMAXPROCS(0)
}
