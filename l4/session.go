package l4

import (
	"net/netip"

	"github.com/pires/go-proxyproto"
	"golang.org/x/sys/unix"

	"forebay/pool"
)

// A session is one client connection and its backend connection. It belongs to one loop, and nothing else touches it.
// Others post to the loop what they want of it.
type session struct {
	loop     *loop
	slot     int32 // where the loop keeps it
	age      int32 // distinguishes it from those that had the slot before
	stage    stage
	first    end   // which side finished first
	lost     end   // which side broke, once it is delivering
	listed   bool  // stands in the loop's list of bulk sessions
	answered bool  // the backend's first byte has been seen
	guarded  bool  // the kernel was told to notice when a peer has died
	reached  uint8 // which of the backend's addresses is used
	spoke    uint8 // the number of the socket that bytes were last read from

	listener *listener
	peer     netip.AddrPort // the client; zero for a UNIX socket
	client   side
	backend  side
	up       flow // client to backend
	down     flow // backend to client

	lease pool.Lease
	setup *setup // while no backend is connected
	trace *trace // what only some sessions have to tell
	timer timer

	began     int64 // ns on the server's clock, like all times here
	tried     int64 // when the try that succeeded began
	connected int64
	moved     int64 // when a byte last moved
	firstByte int64
	ends      int64 // when the maximum lifetime is reached; never: without one
}

// An end names a side of a session.
type end uint8

const (
	neither end = iota
	clientEnd
	backendEnd
	ownEnd // the session was concluded, in the client's name
)

// A trace is what only some sessions have to remember.
type trace struct {
	tries      []Try            // those that failed
	route      *Route           // chosen by the ClientHello; nil where none was read
	serverName string           // the name that the ClientHello asked for
	dotted     bool             // that name had a dot at its end
	listened   int64            // ns until the client had said what was wanted of it
	inQueue    int64            // ns spent waiting for a backend with room
	via        pool.Address     // who sent the PROXY header
	local      pool.Address     // what the client connected to, where something needed it
	tlvs       []proxyproto.TLV // the fields of the PROXY header
	uniqueID   []byte
	fault      error   // what was wrong with what a refused client has sent
	concluded  Cause   // why the session was concluded
	dismissed  Cause   // why its client was dismissed
	unheard    int     // how many more bytes of a dismissed client are read
	replay     *replay // not nil while the client's bytes could be sent to another backend
	deadly     bool    // a backend died of these bytes
	meter      *meter  // where Limits ask for one; this trace is then a part of it
	unacked    int     // what the kernel held for both peers when a limit last asked
	// look is when delivering or lingering asks again whether the last bytes were acknowledged, or when dismissing
	// ends.
	look  int64
	looks uint8 // how often it has asked
}

func (s *session) traced() *trace {
	if s.trace == nil {
		s.trace = &trace{}
	}
	return s.trace
}

// A stage is how far a session has come.
type stage uint8

// The stages, in the order of the walk.
const (
	identifying stage = iota // read the PROXY header that a trusted source must send
	admitting                // ask whether the client may have a session
	hearing                  // read the ClientHello, where a rule needs it, and choose the route
	securing                 // wait for the client's TLS handshake
	picking                  // choose a backend, or join the queue
	pausing                  // every try has failed: wait until all are tried again
	queueing                 // wait for a backend with room
	dialing                  // connect to it, or to the next one
	greeting                 // send the PROXY header and the client's first bytes
	relaying                 // move bytes both ways until both sides are done
	lingering                // the client may go on talking: wait until it has what it was sent
	dismissing               // the client was told why it is refused: wait until it has closed
	delivering               // one side is lost: hand the other what was read from it
)

// step takes s as far as it can go now. A stage that must wait returns itself, and the loop calls step again when a
// socket, a clock or a lease has come; so each stage's method may be called any number of times. A cause ends the
// session.
func (s *session) step() {
	if s.loop.now >= s.ends && s.stage != delivering {
		s.finish(Lifetime)
		return
	}
	for {
		next, cause := s.run()
		if cause == CauseNone && next != s.stage {
			if s.stage == relaying {
				s.flushQueued()
			}
			s.stage = next
			continue
		}
		if cause == CauseNone {
			cause = s.wait()
		}
		if cause != CauseNone {
			s.finish(cause)
		}
		return
	}
}

func (s *session) run() (stage, Cause) {
	switch s.stage {
	case identifying:
		return s.identify()
	case admitting:
		return s.admit()
	case hearing:
		return s.hear()
	case securing:
		return s.secure()
	case picking:
		return s.pick()
	case pausing:
		return s.pause()
	case queueing:
		return s.queue()
	case dialing:
		return s.dial()
	case greeting:
		return s.greet()
	case relaying:
		return s.relay()
	case lingering:
		return s.linger()
	case dismissing:
		return s.dismissal()
	default:
		return s.deliver()
	}
}

// wait makes sure that what s waits for will be noticed. Sockets are registered only here, after the stages have taken
// what was already there: a registration reports what is ready, and an earlier one would report it for nothing.
func (s *session) wait() Cause {
	s.up.own()
	if !s.watch(&s.client) {
		return OwnFault
	}
	if s.setup == nil {
		if !s.watch(&s.backend) {
			return OwnFault
		}
	} else {
		for i := range s.setup.attempts {
			if a := &s.setup.attempts[i]; a.underWay() && a.again == 0 && !s.watch(&a.side) {
				return OwnFault
			}
		}
	}
	due := s.deadline()
	if due != never && (!s.timer.armed() || due < s.timer.due) {
		s.loop.wheel.arm(&s.timer, due)
	}
	return CauseNone
}

// watch registers a socket with the loop, once, and once more when it needs room to write.
func (s *session) watch(e *side) bool {
	if e.watched && (e.writable || e.watchesTx || e.broken()) {
		return true
	}
	ev := unix.EpollEvent{Events: watched, Fd: s.slot, Pad: s.age<<sideBits | int32(e.number)}
	if !e.writable {
		ev.Events |= unix.EPOLLOUT
		e.watchesTx = true
	}
	if e.watched || e.enrolled {
		e.watched = true
		return epollModify(s.loop.poller.sessions, e.fd, &ev) == 0
	}
	e.watched = true
	return epollAdd(s.loop.poller.sessions, e.fd, &ev) == 0
}

// deadline is when the present stage wants to look at the clock. A timer is armed for it and left alone when the
// deadline moves away: when it fires too early, it is armed again.
func (s *session) deadline() int64 {
	switch s.stage {
	case identifying:
		return min(s.ends, s.began+int64(s.loop.server.ProxyTimeout))
	case admitting:
		return min(s.ends, s.setup.keptUntil)
	case hearing:
		return min(s.ends, s.hearUntil())
	case securing:
		return min(s.ends, s.secureUntil())
	case pausing:
		return min(s.ends, s.setup.until)
	case queueing:
		return min(s.ends, s.setup.queued+int64(s.loop.server.QueueTimeout))
	case dialing:
		return min(s.ends, s.setup.deadline(s.loop.server))
	case lingering:
		return min(s.ends, s.stillUntil(), s.traced().look, s.nextProgress())
	case dismissing:
		return min(s.ends, s.trace.look)
	case delivering:
		return min(s.ends, s.nextLook())
	}
	due := min(s.ends, s.stillUntil(), s.nextPeerLook())
	if !s.guarded {
		due = min(due, s.connected+guardAfter)
	}
	if m := s.meter(); m != nil {
		due = min(due, m.due(s.loop.now))
	}
	return due
}

// stillUntil is when a session in which nothing moves has stood still for too long.
func (s *session) stillUntil() int64 {
	limit := s.loop.server.IdleTimeout
	if s.up.finished || s.down.finished {
		limit = s.loop.server.HalfCloseTimeout
	}
	if limit <= 0 {
		return never
	}
	since := s.moved
	if m := s.meter(); m != nil {
		since = max(since, m.waitedUntil())
	}
	return since + int64(limit)
}

// clientNumber is the number of a session's client socket. Sockets to backends count up from 1. So an event for a try
// that was given up is known as such.
const (
	clientNumber = 0
	sideBits     = 7 // of an event's data, for the number
)

// side returns the socket that an event is for, nil if it is not the session's any more.
func (s *session) side(which int32) *side {
	switch {
	case which == clientNumber:
		return &s.client
	case s.setup == nil && int32(s.backend.number) == which:
		return &s.backend
	case s.setup == nil:
		return nil
	}
	for i := range s.setup.attempts {
		if a := &s.setup.attempts[i]; a.underWay() && int32(a.side.number) == which {
			return &a.side
		}
	}
	return nil
}
