package l4

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"forebay/pool"
)

// An attempt is one try: a lease on a backend, and a socket that is being connected to it.
type attempt struct {
	lease  pool.Lease
	side   side
	began  int64 // ns on the server's clock
	opened int64 // when the try turned to this address
	// again is when to try again to get a socket: this machine lacks one, or a UNIX socket's queue is full. 0: a has
	// one.
	again   int64
	address uint8 // which of the backend's addresses is tried
	skipped uint8 // how many of the addresses have failed
}

// mostRoomPause is the longest pause before a try asks again whether a UNIX socket has room.
const mostRoomPause = 200 * time.Millisecond

func (a *attempt) underWay() bool { return a.lease.Backend() != nil }

// start begins a try with the backend of lease. There are two places for tries; it takes the free one.
func (s *session) start(lease pool.Lease) (stage, Cause) {
	c := s.setup
	a := &c.attempts[0]
	if a.underWay() {
		a = &c.attempts[1]
	}
	b := lease.Backend()
	c.tried[len(c.request.Tried)] = b
	c.request.Tried = c.tried[:len(c.request.Tried)+1]
	*a = attempt{lease: lease, side: noSide(), began: s.loop.server.clock(), address: uint8(b.Preferred())}
	s.loop.server.connects.Add(1)
	s.connectTo(a)
	return dialing, CauseNone
}

// dial looks at the tries under way. The first that is connected wins. One that failed makes room for the next backend.
func (s *session) dial() (stage, Cause) {
	c := s.setup
	for i := range c.attempts {
		a := &c.attempts[i]
		if !a.underWay() {
			continue
		}
		switch done, errno := s.progress(a); {
		case errno != 0:
			o := outcomeOf(errno)
			if o == pool.OwnFault {
				s.complain(a, errno)
			}
			s.lose(a, o)
		case done:
			return s.win(a)
		}
	}
	if s.client.broken() {
		return dialing, ClientLeft
	}
	switch underWay := c.underWay(); {
	case underWay == 0:
		return picking, CauseNone
	case underWay == 1 && s.hedgeDue():
		return s.hedge()
	}
	return dialing, CauseNone
}

// progress reports whether a's socket is connected, or why it will not be. A backend with several addresses is tried at
// each of them.
func (s *session) progress(a *attempt) (done bool, errno syscall.Errno) {
	for {
		done, errno = s.look(a)
		addresses := len(a.lease.Backend().Addrs())
		if errno == 0 || int(a.skipped)+1 >= addresses {
			return done, errno
		}
		s.closeSide(&a.side)
		a.skipped++
		a.address, a.again = uint8((int(a.address)+1)%addresses), 0
		s.connectTo(a)
	}
}

// look is progress at the one address that is tried now.
func (s *session) look(a *attempt) (done bool, errno syscall.Errno) {
	late := s.loop.now >= s.setup.giveUp(a, s.loop.server)
	if !late && s.lacksSocket(a) {
		return false, 0
	}
	switch e := &a.side; {
	case e.layer != nil:
		return s.lookSecured(e, late)
	case e.broken():
		errno = syscall.Errno(e.fault)
	case e.hungUp:
		errno = socketError(e.fd)
	case late && !e.writable:
		errno = unix.ETIMEDOUT
	case e.writable && e.tcp && s.loop.server.ports.meets(e.fd, a.lease.Backend().Addrs()[a.address]):
		// Nobody listens: the kernel chose this very port to connect from, and the socket is connected to itself.
		errno = unix.ECONNREFUSED
	}
	if errno == 0 && a.side.writable && s.setup.route.BackendTLS != nil {
		return false, s.secureBackend(a)
	}
	return a.side.writable, errno
}

// lacksSocket reports whether a has no socket yet. When it is time, it asks this machine for one again.
func (s *session) lacksSocket(a *attempt) bool {
	if a.again != 0 && s.loop.now >= a.again {
		s.connectTo(a)
	}
	return a.again != 0
}

// secureBackend begins TLS on a connected socket, behind the PROXY header that the backend's TLS is not to see.
func (s *session) secureBackend(a *attempt) syscall.Errno {
	if s.loop.server.ProxyOut != ProxyOff {
		header, err := s.proxyHeader()
		if err != nil {
			return unix.EMSGSIZE
		}
		if n, errno := a.side.send(header); n < len(header) {
			return cmp.Or(errno, unix.ENOBUFS)
		}
	}
	config := s.setup.route.BackendTLS(a.lease.Backend(), s.protocol())
	s.shake(&a.side, tls.Client, config, nil)
	a.side.layer.bears = !s.loop.server.StrictBackendEOF
	return 0
}

// protocol returns what ALPN agreed on with the client.
func (s *session) protocol() string {
	if s.client.layer == nil {
		return ""
	}
	return s.client.layer.conn.ConnectionState().NegotiatedProtocol
}

// lookSecured reports whether the handshake with a backend is done. Where the connection was reset, the socket may
// still hold the alert that says why: the handshake reads it first.
func (s *session) lookSecured(e *side, late bool) (done bool, errno syscall.Errno) {
	done, err := e.layer.shake.progress(e)
	switch {
	case err != nil:
		return false, faultTLS
	case done && e.broken():
		e.layer.lastWord(e, s.loop.buf)
		return false, faultTLS
	case late && !done && e.layer.shake.giveUp(errNoPlace):
		return false, unix.EBUSY // the backend has been told nothing yet
	case late && !done:
		return false, unix.ETIMEDOUT
	}
	return done, 0
}

// win makes a's socket the session's backend and ends the try beside it.
func (s *session) win(a *attempt) (stage, Cause) {
	c, l := s.setup, s.loop
	now := l.server.clock()
	a.lease.Backend().Prefer(int(a.address))
	a.lease.Connected(durationOf(now - a.began))
	s.lease, s.backend, s.reached, s.tried = a.lease, a.side, a.address, a.began
	*a = attempt{}
	for i := range c.attempts {
		if other := &c.attempts[i]; other.underWay() {
			s.lose(other, pool.Abandoned)
		}
	}
	s.connected, s.moved = now, now
	if l.server.Replay > 0 {
		s.rehearse(c)
	}
	l.giveBack(c)
	s.setup = nil
	return greeting, CauseNone
}

// lose ends a try.
func (s *session) lose(a *attempt, o pool.Outcome) {
	c := s.setup
	c.last = o
	t := s.traced()
	t.tries = append(t.tries, a.try(o, s.loop.server.clock()))
	a.lease.Done(o)
	s.closeSide(&a.side)
	*a = attempt{}
}

// try returns what is told of a, which ended with o.
func (a *attempt) try(o pool.Outcome, now int64) Try {
	b := a.lease.Backend()
	return Try{Backend: b.Name(), Address: b.Addrs()[a.address], Result: o, Took: durationOf(now - a.began),
		Fault: a.side.layer.fault()}
}

// complain says that a failed for a reason that its backend has nothing to do with.
func (s *session) complain(a *attempt, errno syscall.Errno) {
	times, due := s.loop.server.faults.due(s.loop.now)
	if !due {
		return
	}
	var why error = errno
	if errno == unix.EADDRNOTAVAIL {
		why = fmt.Errorf("no local port is left, or a source address is not there any more: %w", errno)
	}
	b := a.lease.Backend()
	s.loop.server.log().Warn("a backend can't be reached, which is no fault of its own", "error", why, "times", times,
		"backend", b.Name(),
		"address", b.Addrs()[a.address].String())
}

// underWay counts the tries that are neither won nor lost.
func (c *setup) underWay() int {
	n := 0
	for i := range c.attempts {
		if c.attempts[i].underWay() {
			n++
		}
	}
	return n
}

// hedgeDue reports whether the first try has been silent for so long that a second one should start beside it.
func (s *session) hedgeDue() bool {
	c, server := s.setup, s.loop.server
	return c.mayHedge(server) && s.loop.now-c.hedgeFrom() >= int64(server.HedgeAfter)
}

func (c *setup) mayHedge(server *Server) bool {
	return server.HedgeAfter > 0 && !c.hedged && len(c.request.Tried) < server.Tries
}

func (c *setup) hedgeFrom() int64 {
	if c.attempts[0].underWay() {
		return c.attempts[0].began
	}
	return c.attempts[1].began
}

// hedge starts a second try where the budget for extra connects allows it.
func (s *session) hedge() (stage, Cause) {
	s.setup.hedged = true
	if !s.loop.server.mayHedge() {
		return dialing, CauseNone
	}
	lease, err := s.setup.route.Pool.Pick(&s.setup.request)
	if err != nil {
		return dialing, CauseNone
	}
	s.start(lease)
	return s.dial()
}

// giveUp returns when a has taken too long, by itself or together with the tries before it.
func (c *setup) giveUp(a *attempt, server *Server) int64 {
	return min(a.opened+int64(server.ConnectTimeout), c.began+server.connectBudget())
}

// deadline is when the tries under way want to look at the clock.
func (c *setup) deadline(server *Server) int64 {
	due := never
	for i := range c.attempts {
		if a := &c.attempts[i]; a.underWay() {
			due = min(due, c.giveUp(a, server))
			if a.again != 0 {
				due = min(due, a.again)
			}
		}
	}
	if c.mayHedge(server) {
		due = min(due, c.hedgeFrom()+int64(server.HedgeAfter))
	}
	return due
}

// outcomeOf says what an error of connect(2) says about the backend.
func outcomeOf(errno syscall.Errno) pool.Outcome {
	switch errno {
	case unix.ECONNREFUSED, unix.ECONNRESET, unix.ENOENT, unix.EPIPE: // ENOENT: no such UNIX socket
		return pool.Refused
	case unix.ETIMEDOUT:
		return pool.TimedOut
	case unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENETDOWN, unix.ENONET:
		return pool.Unreachable
	case faultTLS:
		return pool.TLSFailed
	}
	return pool.OwnFault // descriptors, ports, memory, a local firewall
}

// connectBudget is how long all tries of one client may take.
func (s *Server) connectBudget() int64 {
	if s.ConnectBudget > 0 {
		return int64(s.ConnectBudget)
	}
	return int64(s.ConnectTimeout) * int64(s.Tries)
}

// Hedged connects may be one in hedgeShare of all, and hedgeBurst more.
const (
	hedgeShare = 20
	hedgeBurst = 5
)

// mayHedge counts an extra connect, if the budget has room for it.
func (s *Server) mayHedge() bool {
	if s.hedges.Add(1) <= s.connects.Load()/hedgeShare+hedgeBurst {
		return true
	}
	s.hedges.Add(^uint64(0))
	return false
}
