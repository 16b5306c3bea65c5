package l4

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A listener is a Listener as the loops know it.
type listener struct {
	*Listener
	fd   int32
	name string
	unix bool
	rate bucket // limits the connections taken
	// keepsOutOfLine: urgent data can't be had in line from the listening socket on (MPTCP), but from each connection.
	keepsOutOfLine bool
}

// An acceptor takes connections off the listeners' queues for one loop. Every loop that does not rest has one. The
// kernel wakes the first loop that sleeps in its epoll_wait (EPOLLEXCLUSIVE), so another accepts only while the first
// is busy. Loops that are parked are all woken: there is only one loop then, or little to do.
type acceptor struct {
	listeners []acceptQueue
	paused    bool          // a limit was met: resume is called when it may have gone
	backoff   time.Duration // how long the last pause for want of something was; 0 after a session had all it needs
	failed    int           // how often accept(2) has failed in a row
	timer     timer
}

type acceptQueue struct {
	*listener
	ready bool // the queue may hold connections
	last  bool // it is emptied before it is closed
}

// acceptBurst is how many connections one listener may bring in one turn.
const acceptBurst = 16

// How long accepting pauses when this machine lacks descriptors or memory: at first, and at most.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

func (a *acceptor) ready(i int) {
	if i < len(a.listeners) {
		a.listeners[i].ready = true
	}
}

// pending reports whether there may be connections to take now.
func (a *acceptor) pending() bool {
	if a.paused {
		return false
	}
	for i := range a.listeners {
		if a.listeners[i].ready {
			return true
		}
	}
	return false
}

// resume has the loop look at every queue again.
func (a *acceptor) resume() {
	a.paused = false
	for i := range a.listeners {
		a.listeners[i].ready = true
	}
}

// listen makes the loop accept from the listeners.
func (l *loop) listen(all []*listener) error {
	for i, ln := range all {
		ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET | unix.EPOLLEXCLUSIVE, Fd: int32(slotListener - i)}
		if e := epollAdd(l.poller.all, ln.fd, &ev); e != 0 {
			return e
		}
		l.accept.listeners = append(l.accept.listeners, acceptQueue{listener: ln})
	}
	return nil
}

// deafen ends accepting. Where drain is set, the connections that the queues hold by now are taken first, as closing a
// listening socket resets them.
func (l *loop) deafen(drain bool) {
	closes := l.server.closes()
	for i := range l.accept.listeners {
		q := &l.accept.listeners[i]
		q.last = closes
		for q.ready = drain; q.ready && !l.accept.paused; {
			l.acceptBurst(q)
		}
		epollRemove(l.poller.all, q.fd)
	}
	l.accept.listeners, l.accept.paused, l.accept.backoff = nil, false, 0
	l.wheel.cancel(&l.accept.timer)
}

// acceptSome takes connections where there are any.
func (l *loop) acceptSome() {
	for i := range l.accept.listeners {
		if q := &l.accept.listeners[i]; q.ready && !l.accept.paused {
			l.acceptBurst(q)
		}
	}
}

func (l *loop) acceptBurst(q *acceptQueue) {
	for range acceptBurst {
		if !q.ready || l.accept.paused {
			return
		}
		l.acceptOne(q)
		l.makeRoom()
	}
}

// acceptOne takes one connection. It is counted before it is accepted, so that the limit holds and a drain never sees
// none left while one is on its way.
func (l *loop) acceptOne(q *acceptQueue) {
	if !l.mayAccept(q) {
		q.ready = false
		return
	}
	if !l.mayHold() {
		return
	}
	if !l.server.reserve() {
		l.accept.paused = true
		return
	}
	var from unix.RawSockaddrAny
	fd, errno := accept4(q.fd, &from)
	if errno == 0 {
		l.accept.failed = 0
		if r := l.server.Limits.AcceptRate; r.limits() {
			q.rate.take(l.now, 1, r)
		}
		l.begin(q.listener, fd, clientAddress(fd, &from))
		return
	}
	l.server.release()
	switch {
	case errno == unix.EAGAIN, errno == unix.EBADF, errno == unix.EINVAL: // none waits, or it was closed by its owner
		q.ready = false
	case lacks(errno):
		l.pauseAccepting(errno)
	default:
		// accept(2) reports an error that is pending on the connection it was to take. The next connection may be well.
		// But where a security module or a filter of system calls refuses the call, the connection stays in the queue,
		// and every call fails.
		if l.accept.failed++; l.accept.failed >= acceptBurst {
			l.pauseAccepting(errno)
		}
	}
}

// lacks reports whether errno says that this machine, or this process, has no more of what a socket needs, which may
// pass.
func lacks(errno syscall.Errno) bool {
	switch errno {
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		return true
	}
	return false
}

// mayAccept reports whether the listener's rate has room for one more; otherwise a timer has the queue looked at again
// when it has.
func (l *loop) mayAccept(q *acceptQueue) bool {
	r := l.server.Limits.AcceptRate
	if !r.limits() || q.last || q.rate.left(l.now, r) > 0 {
		return true
	}
	if l.acceptAgain(q.rate.next(l.now, r)) {
		l.stats.acceptWaits.Add(1)
	}
	return false
}

// acceptAgain has all queues looked at again at due. It reports false where that is to be done before.
func (l *loop) acceptAgain(due int64) bool {
	a := &l.accept
	if a.timer.armed() && a.timer.due <= due {
		return false
	}
	l.wheel.arm(&a.timer, due)
	return true
}

// pauseAccepting stops accepting for a while. By then this machine may have again what it lacked, or allow what it
// refused. The length of the pause is returned, in ns.
func (l *loop) pauseAccepting(why syscall.Errno) int64 {
	if times, due := l.server.pauses.due(l.now); due {
		what := "accepting pauses: this machine lacks what a new connection needs"
		if !lacks(why) {
			what = "accepting pauses: accept(2) goes on failing, and clients wait. Is it refused by a filter of system calls (systemd's " +
				"SystemCallFilter=, a container's seccomp profile) or a security module (SELinux, AppArmor)?"
		}
		l.server.log().Warn(what, "error", why, "times", times, "sessions", l.server.sessions.Load())
	}
	return l.pause()
}

// pause stops accepting for a while, longer each time, and returns the length of the pause in ns.
func (l *loop) pause() int64 {
	a := &l.accept
	a.paused = true
	a.backoff = min(max(2*a.backoff, firstPause), lastPause)
	l.wheel.arm(&a.timer, l.now+int64(a.backoff))
	return int64(a.backoff)
}

// begin makes a session of an accepted connection.
func (l *loop) begin(ln *listener, fd int32, peer netip.AddrPort) {
	s := l.newSession()
	now := l.server.wall.look()
	s.listener, s.peer = ln, peer
	// Readable without having been told: the request is often there already.
	s.client = side{fd: fd, tcp: !ln.unix, local: ln.unix || peer.Addr().IsLoopback(), readable: true, writable: true}
	s.backend = noSide()
	if ln.keepsOutOfLine {
		keepInLine(fd)
	}
	s.began, s.moved, s.ends = now, now, never
	if life := l.server.lifetime(rand.Float64()); life != never {
		s.ends = now + life
	}
	s.setup = l.borrow()
	s.setup.route = &l.server.Route
	l.add(s)
	s.stage = s.known(now)
	if l.server.trusts(ln, peer) {
		s.stage = identifying
	}
	l.stats.accepted.Add(1)
	l.step(s)
}

// reserve counts a session that is about to be accepted. It reports false where there is no room; release tells the
// loops when there is room again.
func (s *Server) reserve() bool {
	for {
		if s.sessions.Add(1) <= int64(s.MaxConns) {
			return true
		}
		s.full.Store(true)
		if s.sessions.Add(-1) >= int64(s.MaxConns) {
			return false
		}
	}
}

// release gives back what reserve counted.
func (s *Server) release() {
	n := s.sessions.Add(-1)
	if n < int64(s.MaxConns) && s.full.Load() && s.full.CompareAndSwap(true, false) {
		s.resumeAccepting()
	}
	if n == 0 && s.draining.Load() {
		s.reportEmpty()
	}
}

func (s *Server) resumeAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.loops {
		l.post(l.accept.resume)
	}
}

// lifetime is how long the next session may last: the maximum, less a random share of it, so that sessions which began
// together do not end together. never: without limit.
func (s *Server) lifetime(random float64) int64 {
	if s.MaxLifetime <= 0 {
		return never
	}
	return int64(math.Ceil(float64(s.MaxLifetime) * (1 - s.LifetimeJitter*random)))
}
