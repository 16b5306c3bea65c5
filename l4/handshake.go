package l4

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A handshake is one handshake of TLS. It is blocking code and keeps a processor busy. So it has a goroutine of its
// own, from when there is a place for it (places) until it is done. The goroutine reads and writes the socket.
// Meanwhile the loop waits for the outcome, and tells the goroutine of the socket's events. A handshake that waits for
// its peer leaves its place to another, so slow peers keep nobody waiting. It takes a place again only for bytes that
// have come; that the peer has left is found without a place.
type handshake struct {
	session ref
	loop    *loop
	layer   *layer
	play    part
	config  *tls.Config
	hello   int // how many bytes have been read of a client, its ClientHello among them; 0: the peer is a backend
	fd      int32
	began   int64 // ns on the server's clock
	ended   int64
	done    bool  // the loop knows that it is over
	err     error // why it failed
	told    error // what Explain said of it; nil: what crypto/tls says

	more int // bytes that a client sent behind its ClientHello; only the goroutine uses it

	wake   chan struct{} // the loop has seen an event of the socket
	turn   chan bool     // true: it was given a place; false: it was abandoned while it stood in line
	placed bool          // it has a place; only its goroutine uses it

	line       *line // where it stands for a place; under the mutex of the places, like the next two
	next, prev *handshake
	begun      atomic.Bool // it has a goroutine

	mu   sync.Mutex
	gone bool // the session has no use for it any more, and the socket is closed
}

// The reasons for a handshake to end that crypto/tls does not give.
var (
	errAbandoned = errors.New("the session has ended")
	errLong      = errors.New(
		"more than 16 KiB came within the handshake: send no more certificates than those up to the root")
	errCut     = errors.New("the connection ended within the handshake")
	errNoPlace = errors.New("it was not begun: others were computed all the time, as many at once as may be")
	errDropped = errors.New("it was not begun: too many wait, and it had waited longest")
)

// A part makes one end of a TLS connection: tls.Server or tls.Client.
type part func(net.Conn, *tls.Config) *tls.Conn

// shake begins TLS on e. first is what has been read from the peer already; it is empty where the peer is a backend.
func (s *session) shake(e *side, play part, config *tls.Config, first []byte) {
	server := s.loop.server
	h := &handshake{session: s.ref(), loop: s.loop, play: play, config: config, hello: len(first), fd: e.fd,
		began: server.clock(), wake: make(chan struct{}, 1), turn: make(chan bool, 1)}
	h.layer = &layer{shake: h, first: first, server: server}
	e.layer = h.layer
	if e.tcp {
		keepOutOfLine(e.fd)
	}
	e.readable, e.writable = false, false // from now on both are watched for
	begins, dropped := server.places.enter(h)
	for _, other := range dropped {
		other.tell(errDropped)
	}
	if begins {
		h.begin()
		return
	}
	server.tellCrowded(s.loop.now)
}

// tellCrowded says that handshakes come faster than they can be computed.
func (s *Server) tellCrowded(now int64) {
	if now < s.places.crowded.again.Load() {
		return
	}
	waiting, oldest, left := s.places.look(now)
	if oldest < longThere {
		return
	}
	if times, due := s.places.crowded.due(now); due {
		s.log().Warn("clients wait for their TLS handshakes, which come faster than they can be computed",
			"waiting", waiting,
			"longest", oldest.Round(time.Millisecond).String(), "gave_up", left, "at_once", s.handshakes(), "times", times)
	}
}

// begin starts the goroutine of h, which has a place.
func (h *handshake) begin() {
	h.loop.server.shaking.Add(1)
	h.loop.server.group.Go(h.work)
}

// work carries h out, and then those in line that get the place it leaves.
func (h *handshake) work() {
	deepen()
	server := h.loop.server
	for {
		h.placed = true
		err := h.run(server)
		server.shaking.Add(-1)
		server.tidier.shook()
		h.tell(err)
		if !h.placed {
			return
		}
		if h = server.places.leave(server.clock()); h == nil {
			return
		}
		server.shaking.Add(1)
	}
}

// tell posts to the loop how h has ended.
func (h *handshake) tell(err error) {
	h.loop.post(func() {
		if h.gone {
			return
		}
		h.done, h.err, h.ended = true, err, h.loop.server.clock()
		if s := h.loop.find(h.session); s != nil {
			h.loop.step(s)
		}
	})
}

// run carries the handshake out, unless its client has left. A panic in what it calls ends this handshake alone.
func (h *handshake) run(server *Server) (err error) {
	defer func() {
		if bug := recover(); bug != nil {
			server.log().Error("a TLS handshake failed because of a bug", "panic", fmt.Sprint(bug),
				"stack", string(debug.Stack()))
			err = fmt.Errorf("internal bug: %v", bug)
		}
	}()
	if h.ofClient() && h.left() {
		return errCut
	}
	h.layer.conn = h.play(h.layer, h.config)
	if err = h.layer.conn.Handshake(); err != nil && h.told != nil {
		return h.told
	}
	return err
}

// ofClient reports whether the peer is a client. If so, its ClientHello is there.
func (h *handshake) ofClient() bool { return h.hello > 0 }

// size is how much memory h keeps while it waits to be begun.
func (h *handshake) size() int { return freshSize + h.hello }

// left reports whether the session has ended, or the peer's FIN or reset has come. A peer that sends one behind its
// ClientHello can't finish a handshake. The loop may not have seen it yet.
func (h *handshake) left() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gone || hungUp(h.fd)
}

// Explain makes why the fault that is told if the handshake of hello's client fails, in place of what crypto/tls says.
// It is for functions that a Config calls while a handshake goes on, such as GetCertificate.
func Explain(hello *tls.ClientHelloInfo, why error) {
	if l, ok := hello.Conn.(*layer); ok {
		l.shake.told = why
	}
}

// deepen makes the goroutine's stack as large as a handshake needs, while there is nothing on it to be copied. Growing
// step by step, each time with all frames on it, cost 3 % of a handshake.
//
//go:noinline
func deepen() {
	var room [12 << 10]byte
	runtime.KeepAlive(&room)
}

// progress passes the socket's event on to the handshake, and reports whether the handshake is over. If it succeeded, e
// belongs to the loop again.
func (h *handshake) progress(e *side) (done bool, err error) {
	if e.hungUp && !h.done && h.ofClient() {
		h.giveUp(errCut)
	}
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
	e.readable, e.writable = true, true // the last event may have been of more than the handshake
	return true, nil
}

// giveUp ends h with err if h has not begun, and reports whether it did.
func (h *handshake) giveUp(err error) bool {
	if h.done || !h.loop.server.places.cancel(h) {
		return false
	}
	h.done, h.err = true, err
	return true
}

func (h *handshake) poke() {
	select {
	case h.wake <- struct{}{}:
	default: // it has been woken already
	}
}

// abandon makes the handshake end without another system call on its socket. One that stands in line neither begins nor
// goes on.
func (h *handshake) abandon() {
	h.mu.Lock()
	h.gone = true
	h.mu.Unlock()
	h.loop.server.places.abandon(h)
	h.poke()
}

func (h *handshake) read(p []byte) (int, error) {
	n, err := h.call(func() (int, syscall.Errno) { return recv(h.fd, p) })
	if n == 0 && err == nil {
		return 0, errCut
	}
	if h.more += max(n, 0); h.ofClient() && h.more > flightMost {
		return 0, errLong
	}
	return n, err
}

// flightMost is how much a client may send behind its ClientHello until the handshake is done. That is its
// certificates, as a rule 2 to 6 KiB. crypto/tls takes 256 KiB from anybody, and checks a hundred signatures with
// whatever keys are in there, at 2 ms each for keys on P-521.
const flightMost = 16 << 10

func (h *handshake) write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = h.call(func() (int, syscall.Errno) { return send(h.fd, p[n:], 0) })
		n += m
	}
	return n, err
}

// call carries out a system call on the socket as soon as that is possible. It may leave its place meanwhile. It has
// one again when it returns, if there is something to compute.
func (h *handshake) call(f func() (int, syscall.Errno)) (int, error) {
	for {
		n, errno := h.guarded(f)
		switch {
		case errno == unix.EAGAIN:
			h.pause()
		case errno == unix.ECANCELED:
			return 0, errAbandoned
		case errno != 0:
			return 0, errno
		case n > 0 && !h.resume():
			return 0, errAbandoned
		default:
			return n, nil
		}
	}
}

// guarded calls f unless the socket is gone. abandon waits until f has returned.
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
	if server := h.loop.server; h.placed {
		h.placed = false
		if other := server.places.leave(server.clock()); other != nil {
			other.begin()
		}
	}
	<-h.wake
}

// resume takes a place again, and reports false where h was abandoned meanwhile.
func (h *handshake) resume() bool {
	if !h.placed {
		h.placed = h.loop.server.places.again(h)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.placed && !h.gone
}

// handshakes returns how many handshakes may compute at once.
func (s *Server) handshakes() int {
	if s.Handshakes > 0 {
		return s.Handshakes
	}
	return runtime.GOMAXPROCS(0)
}
