package l4

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// A budget is how much memory all sessions together may hold, beyond what each costs in any case. It counts the bytes
// that a peer sent and nobody has taken yet, TLS, and handshakes under way. A process that is killed for want of memory
// ends every session. So over the budget the sessions are reset that hold most and have no backend yet. Where that is
// not enough, nothing is accepted. Far above the budget sessions with a backend are reset as well.
type budget struct {
	most  int64        // bytes; 0: no limit
	held  atomic.Int64 // by the sessions of all loops, as of their last turns
	short complaint
}

// What is counted for parts whose size can't be asked for.
const (
	setupBytes     = 1 << 10
	traceBytes     = 512
	layerBytes     = 10 << 10 // an idle TLS connection; see TLS in docs/architecture.md
	handshakeBytes = 48 << 10 // a handshake under way: its goroutine, and the garbage that it makes
)

// over reports whether the budget is exceeded.
func (b *budget) over() bool { return b.most > 0 && b.held.Load() > b.most }

// weigh counts what s holds now in place of what was counted before.
func (l *loop) weigh(s *session) {
	slot := &l.slots[s.slot]
	n := int32(s.holds())
	l.held += int64(n - slot.holds)
	slot.holds = n
}

// holds returns how many bytes of memory s holds, beyond what every session does.
func (s *session) holds() int {
	n := cap(s.up.held) + cap(s.down.held) + s.client.layer.holds() + s.backend.layer.holds()
	if t := s.trace; t != nil {
		n += traceBytes + t.holds()
	}
	if c := s.setup; c != nil {
		n += setupBytes
		for i := range c.attempts {
			n += c.attempts[i].side.layer.holds()
		}
	}
	if s.up.pipe != nil {
		n += s.up.pipe.held
	}
	if s.down.pipe != nil {
		n += s.down.pipe.held
	}
	return n
}

func (t *trace) holds() (n int) {
	if t.replay != nil {
		n = cap(t.replay.kept)
	}
	for i := range t.tlvs {
		n += len(t.tlvs[i].Value)
	}
	return n
}

// holds reads nothing that the goroutine of a handshake may be writing.
func (l *layer) holds() int {
	switch {
	case l == nil:
		return 0
	case l.shake != nil && !l.shake.begun.Load():
		return l.shake.size()
	case l.shake != nil && !l.shake.done:
		return handshakeBytes
	}
	return layerBytes + cap(l.held)
}

// economize tells the server what the loop's sessions hold, at the end of a turn, and keeps to the budget. To find what
// to reset it looks at all sessions, 50 ns each. So it looks for a twentieth of the time at most, and not in each turn.
func (l *loop) economize() {
	b := &l.server.budget
	l.tellHeld()
	switch {
	case !b.over():
		return
	case l.now < l.nextShed:
		l.acceptAgain(l.nextShed) // which gives the loop a turn, too
		return
	}
	began := l.server.clock()
	defer func() {
		ended := l.server.clock()
		l.nextShed = ended + lookShare*(ended-began)
	}()
	reset := l.shed(b.held.Load()-b.most/8*7, (*session).unfinished)
	if l.tellHeld(); b.held.Load() > b.most/4*5 {
		reset += l.shed(b.held.Load()-b.most, (*session).relays)
		l.tellHeld()
	}
	if times, due := b.short.due(l.now); due {
		l.server.log().Warn("memory is short: sessions are reset that hold most of it and have no backend yet",
			"held", b.held.Load(), "may_hold", b.most,
			"reset", reset, "times", times, "sessions", l.server.sessions.Load())
	}
}

func (l *loop) tellHeld() {
	if n := l.held - l.toldHeld; n != 0 {
		l.server.budget.held.Add(n)
		l.toldHeld = l.held
	}
}

// unfinished reports whether s has no backend yet, or will have none, as its client was dismissed.
func (s *session) unfinished() bool { return s.stage < relaying || s.stage == dismissing }

// relays reports whether s has a backend.
func (s *session) relays() bool { return !s.unfinished() }

// A weight is what a session costs: the bytes that it holds, times how long it has held them.
type weight struct {
	at    ref
	bytes int64
	cost  float64
}

// shed resets sessions of one kind until so many bytes are given back, or no such session holds any. The greatest
// weight goes first. A client that goes on sending is done soon, so a crowd of stalled clients does not push out those
// that come meanwhile.
func (l *loop) shed(bytes int64, kind func(*session) bool) (reset int) {
	var all []weight
	for i := range l.slots {
		if s := l.slots[i].session; s != nil && l.slots[i].holds > 0 && kind(s) {
			n := int64(l.slots[i].holds)
			all = append(all, weight{s.ref(), n, float64(n) * float64(l.now-s.stillSince()+wheelTick)})
		}
	}
	slices.SortFunc(all, func(a, b weight) int { return cmp.Compare(b.cost, a.cost) })
	for _, w := range all {
		if bytes <= 0 {
			break
		}
		if s := l.find(w.at); s != nil {
			s.finish(Memory)
			bytes -= w.bytes
			reset++
		}
	}
	return reset
}

// stillSince returns since when the bytes that s holds have waited.
func (s *session) stillSince() int64 {
	if s.stage < relaying {
		return s.began
	}
	return s.moved
}

// mayHold reports whether the budget has room for one more session; otherwise accepting pauses.
func (l *loop) mayHold() bool {
	if !l.server.budget.over() {
		return true
	}
	if times, due := l.server.pauses.due(l.now); due {
		l.server.log().Warn("accepting pauses: sessions hold as much memory as they may (--memory)",
			"held", l.server.budget.held.Load(),
			"times", times, "sessions", l.server.sessions.Load())
	}
	l.pause()
	return false
}
