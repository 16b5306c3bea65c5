package l4

import (
	"bytes"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Small messages leave together. What the sessions of one turn have to send is put down until the turn's events have
// been taken in, and then goes out by one system call. What a balancer sends wakes the process that it is for. Where no
// processor is idle, that process runs at once, on the balancer's processor, which it leaves after one message. With a
// call for each message this can happen at each. Within one call it can't, and whoever is woken finds all that is there
// for it. Measured with 64 busy connections on two processors this takes a third of the processor time off an exchange,
// of which the system calls themselves are a small part.
//
// Bytes count as written from when they are put down. Nothing else is sent to their socket before they are sent: a
// session that is stepped again, leaves the relay or ends sends them itself first. In the step that put them down
// nothing comes behind them.
//
// A message knows its session by a ref and its socket by number and descriptor, and holds no pointer to either. Before
// it is sent all three must still belong together; otherwise it is not sent (loop.misdirected). release.go sees to it
// that this never happens.

// outboxMost is how many messages, and sockets to be closed, are put down before the loop has them carried out.
// outboxSize is how many bytes. A message that is put down waits until the other sessions have been read, about a
// microsecond each.
const (
	outboxMost = 128
	outboxSize = 128 << 10
)

// An outbox is what a loop has put down.
type outbox struct {
	open  bool  // messages may be put down; where false they are sent at once
	ring  *ring // nil: they are sent one after the other
	list  []outgoing
	bytes []byte // what the messages say
	used  int
}

// An outgoing is a message that was put down, or a socket that is to be closed.
type outgoing struct {
	fd     int32
	act    act
	number uint8 // of the session's socket
	owner  ref
	bytes  []byte
	result int32 // what send(2) or close(2) returned, an errno below zero
}

// An act is what is to be done with an outgoing.
type act uint8

const (
	nothing act = iota // it has been done, or is no longer to be done
	sends
	closes
)

// unknown is the result of a call that was handed to the kernel and not answered.
const unknown = -int32(unix.EINPROGRESS)

func newOutbox(useRing bool) outbox {
	b := outbox{list: make([]outgoing, 0, outboxMost), bytes: make([]byte, outboxSize)}
	if useRing {
		b.ring, _ = newRing(outboxMost)
	}
	return b
}

// close ends the ring and gives up its memory.
func (b *outbox) close() {
	if b.ring != nil {
		b.ring.close()
		b.ring = nil
	}
}

// full reports whether the next step might find no room.
func (b *outbox) full() bool { return len(b.list) > outboxMost-2 || outboxSize-b.used < 2*readSize }

// room returns where the bytes of a message can be read to, nil where they can't be put down now.
func (b *outbox) room() []byte {
	if !b.open || b.full() {
		return nil
	}
	return b.bytes[b.used:]
}

// put puts p down for a side of s, unless there is no room. A p that stands in room already stays there; any other is
// copied. A side has one message at most: what came of it is noted by socket, so a second one would be lost.
func (b *outbox) put(s *session, to *side, p []byte) bool {
	if to.posted {
		panic("l4: a second message was put down for a socket")
	}
	if !b.open || len(b.list) == outboxMost || outboxSize-b.used < len(p) {
		return false
	}
	place := b.bytes[b.used:][:len(p):len(p)]
	if &place[0] != &p[0] {
		copy(place, p)
	}
	b.used = min(b.used+(len(p)+63)&^63, outboxSize)
	b.list = append(b.list, outgoing{fd: to.fd, act: sends, number: to.number, owner: s.ref(), bytes: place})
	to.posted = true
	return true
}

// mayCloseLater reports whether a socket may be closed at the end of the turn, together with what is sent: FIN wakes
// its receiver as a message does. It may not where descriptors are nearly used up, or where each close would be a call
// of its own anyhow.
func (l *loop) mayCloseLater() bool {
	b := &l.outbox
	return b.open && b.ring != nil && len(b.list) < outboxMost && l.server.sessions.Load() <= int64(l.server.MaxConns/2)
}

// putClose puts a socket down that is to be closed.
func (b *outbox) putClose(d released) { b.list = append(b.list, outgoing{fd: d.fd, act: closes}) }

// makeRoom empties the outbox if the next step might find no room.
func (l *loop) makeRoom() {
	if l.outbox.open && l.outbox.full() {
		l.sendOut()
		l.outbox.open = true
	}
}

// sendOut sends what was put down, and steps the sessions whose messages were not taken whole. Nothing is put down
// meanwhile.
func (l *loop) sendOut() {
	b := &l.outbox
	b.open = false
	if len(b.list) == 0 {
		return
	}
	l.checkQueued()
	b.send()
	for i := range b.list {
		if o := &b.list[i]; o.act == sends && l.sent(o) {
			o.act = nothing
		}
	}
	for i := range b.list {
		if o := &b.list[i]; o.act == sends {
			if s := l.find(o.owner); s != nil {
				l.step(s)
			}
		}
	}
	clear(b.list)
	b.list, b.used = b.list[:0], 0
}

// checkQueued drops messages that were sent already, and those whose socket no longer belongs to their session.
func (l *loop) checkQueued() {
	b := &l.outbox
	for i := range b.list {
		if o := &b.list[i]; o.act == sends && l.meant(o) == nil {
			o.act = nothing
			l.misdirected("bytes were queued for a socket that its session has no more", l.find(o.owner))
		}
	}
	b.list = slices.DeleteFunc(b.list, func(o outgoing) bool { return o.act == nothing })
}

// meant returns the side that o is for, nil where its session has ended, or has another socket there.
func (l *loop) meant(o *outgoing) *side {
	s := l.find(o.owner)
	if s == nil {
		return nil
	}
	if e := s.side(int32(o.number)); e != nil && e.posted && e.fd == o.fd {
		return e
	}
	return nil
}

// send sends what was put down and notes what came of it.
func (b *outbox) send() {
	done := 0
	if b.ring != nil && len(b.list) > 1 {
		var whole bool
		if done, whole = b.ring.carryOut(b.list); !whole {
			b.close()
		}
	}
	for i := range b.list {
		o := &b.list[i]
		// A close is not tried again: a descriptor is closed once.
		again := o.act == sends && (o.result == -int32(unix.EINTR) || o.result == -int32(unix.ECANCELED))
		// A ring may be refused where the system call is not.
		if i >= done || again || refuses(syscall.Errno(-o.result)) {
			o.carryOut()
		}
	}
}

// carryOut makes by itself the call that the ring makes together with others.
func (o *outgoing) carryOut() {
	if o.act == closes {
		closeFD(o.fd)
		return
	}
	o.result = int32(asResult(send(o.fd, o.bytes, 0)))
}

// asResult returns what a system call returned as a ring reports it: an errno below zero.
func asResult(n int, errno syscall.Errno) int {
	if errno != 0 {
		return -int(errno)
	}
	return n
}

// flushQueued sends what was put down for s, before anything else happens to s.
func (s *session) flushQueued() {
	if !s.client.posted && !s.backend.posted {
		return
	}
	l := s.loop
	for i := range l.outbox.list {
		if o := &l.outbox.list[i]; o.act == sends && o.owner == s.ref() && l.meant(o) != nil {
			o.carryOut()
			l.sent(o)
			o.act = nothing
		}
	}
}

// dropQueued takes back what was put down for e, a side of s: it will not be sent.
func (s *session) dropQueued(e *side) {
	if !e.posted {
		return
	}
	for i := range s.loop.outbox.list {
		if o := &s.loop.outbox.list[i]; o.act == sends && o.owner == s.ref() && o.number == e.number {
			o.act = nothing
		}
	}
	e.posted = false
}

// sent takes in what came of a message, and keeps what was not taken. It reports whether its session need not be
// stepped.
func (l *loop) sent(o *outgoing) bool {
	s, e := l.find(o.owner), l.meant(o)
	f := &s.up
	if e == &s.client {
		f = &s.down
	}
	e.posted = false
	n := e.sent(int(o.result), len(o.bytes))
	if rest := o.bytes[n:]; len(rest) > 0 {
		if e.layer != nil {
			e.layer.held = append(bytes.Clone(rest), e.layer.held...)
		} else {
			f.written -= uint64(len(rest))
			f.held = append(bytes.Clone(rest), f.held...)
		}
		l.weigh(s)
	}
	return !f.waiting() && !e.waiting()
}

// sent takes in what send(2) returned, an errno below zero, and returns how many of most bytes were taken.
func (e *side) sent(result, most int) int {
	switch {
	case result == -int(unix.EAGAIN):
		e.writable = false
		return 0
	case result < 0:
		e.breakDown(syscall.Errno(-result))
		return 0
	case result < most:
		e.writable = false
	}
	return result
}
