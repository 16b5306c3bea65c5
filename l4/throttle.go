package l4

import "time"

// A meter is what a session needs under Limits: where it is counted, and how fast it may be. The loop lends it. It
// contains the session's trace, so that both are borrowed as one.
type meter struct {
	trace    trace
	source   *source // nil: the session is counted nowhere
	up, down throttle
	progress progress
}

// A throttle keeps one direction of a session to its bandwidth. Bytes are paid for before they are read. A session
// pays, and waits until the time up to which the buckets were paid before has come. So the sessions of a source take
// turns.
type throttle struct {
	lane   *lane   // nil: no limit
	own    bucket  // of the session
	shared *bucket // of its source; nil: only the session's own counts
	paid   uint64  // up to which byte of the flow
	until  int64   // when the last of them may be read
	heard  int64   // when the flow's first byte was there and had to wait; 0: it had not
}

// A lane is how fast one direction may be.
type lane struct{ session, source Rate }

func (l lane) limits() bool { return l.session.limits() || l.source.limits() }

// pieceTime bounds what a session waits for at once: the bytes that it is worth, or one read where that is less. At a
// low rate a session is woken once for so many bytes; at a high one there are several reads in a tick of the clock.
const pieceTime = int64(125 * time.Millisecond)

// grant returns how many bytes may be read now, when read bytes have been. 0: none until t.until.
func (t *throttle) grant(read uint64, now int64) int {
	if now < t.until {
		return 0
	}
	if t.paid <= read {
		t.pay(read+uint64(t.piece(now)), now)
	}
	if now < t.until {
		return 0
	}
	return int(t.paid - read)
}

// piece returns how many bytes to pay for: what may be had now, or the least that is worth waiting for.
func (t *throttle) piece(now int64) int64 {
	there, least := int64(turnBytes), int64(readSize)
	if r := t.lane.session; r.limits() {
		there, least = min(there, t.own.left(now, r)), min(least, r.worth(pieceTime))
	}
	if r := t.lane.source; t.shared != nil && r.limits() {
		there, least = min(there, t.shared.left(now, r)), min(least, r.worth(pieceTime))
	}
	return max(there, least, 1)
}

// pay pays for all bytes up to that one.
func (t *throttle) pay(upTo uint64, now int64) {
	n := int64(upTo - t.paid)
	t.paid = upTo
	if r := t.lane.session; r.limits() {
		t.until = t.own.take(now, n, r)
	}
	if r := t.lane.source; t.shared != nil && r.limits() {
		t.until = max(t.until, t.shared.take(now, n, r))
	}
}

// settle takes back what was paid for and not read, or pays for what was read and not paid for, such as the bytes that
// came with the beginning of a session.
func (t *throttle) settle(read uint64, now int64) {
	if t.lane == nil || t.paid == read {
		return
	}
	if t.paid < read {
		t.pay(read, now)
		return
	}
	n := int64(t.paid - read)
	t.paid = read
	if r := t.lane.session; r.limits() {
		t.own.giveBack(n, r)
	}
	if r := t.lane.source; t.shared != nil && r.limits() {
		t.shared.giveBack(n, r)
	}
}

// meter returns the session's meter, nil where it has none.
func (s *session) meter() *meter {
	if s.trace == nil {
		return nil
	}
	return s.trace.meter
}

// measure gives s a meter. from is nil where it has no source.
func (s *session) measure(from *source) {
	d, m := s.loop.server.door, s.loop.lendMeter()
	if s.trace != nil {
		m.trace = *s.trace
	}
	s.trace, m.trace.meter = &m.trace, m
	if d.up.session.limits() || from != nil && d.up.limits() {
		m.up.lane = &d.up
	}
	if d.down.session.limits() || from != nil && d.down.limits() {
		m.down.lane = &d.down
	}
	if from != nil {
		m.source, m.up.shared, m.down.shared = from, &from.up, &from.down
	}
}

// throttle returns the throttle of f, nil where f is not limited. What is left after a reset is not held up: it is no
// more than the kernel holds, and no more can come.
func (s *session) throttle(f *flow) *throttle {
	m := s.meter()
	if m == nil || s.stage == delivering {
		return nil
	}
	t := &m.down
	if f == &s.up {
		t = &m.up
	}
	if t.lane == nil {
		return nil
	}
	return t
}

// moveWithin is move, within the bandwidth that f may use. It reports false where f has to wait; the session's timer
// then ends the wait.
func (s *session) moveWithin(f *flow, src, dst *side) (int, bool) {
	t := s.throttle(f)
	if t == nil {
		return s.move(f, src, dst, turnBytes), true
	}
	before := t.until
	most := t.grant(f.read, s.loop.now)
	if f.pipe != nil && most < bulkSize { // others can use it meanwhile
		s.unsplice(f)
	}
	switch {
	case most > 0:
	case t.until == before: // it waits already
		return 0, false
	case src.layer == nil && !src.pending():
		most, t.until = 1, before // an end, or nothing, is all that can be read, and costs no bandwidth
	default:
		s.loop.stats.flowWaits.Add(1)
		if f.read == 0 && src.pending() { // over TLS nobody has looked yet
			t.heard = s.loop.now
		}
		return 0, false
	}
	n := s.move(f, src, dst, most)
	t.settle(f.read, s.loop.now)
	return n, true
}

// waitedUntil is when the session's last wait for bandwidth ended, or will end. Until then it did not stand still of
// its own accord.
func (m *meter) waitedUntil() int64 { return max(m.up.until, m.down.until) }

// heldBack reports whether a flow waits for bandwidth and has more to be read. Then its source has sent something,
// though nothing moves.
func (s *session) heldBack() bool {
	m, now := s.meter(), s.loop.now
	return m != nil && (m.up.until > now && s.client.readable || m.down.until > now && s.backend.readable)
}

// due is when the session wants to be looked at because of its meter.
func (m *meter) due(now int64) int64 {
	due := m.progress.next()
	for _, t := range [...]*throttle{&m.up, &m.down} {
		if t.until > now {
			due = min(due, t.until)
		}
	}
	return due
}

// lendMeter lends a meter with nothing in it.
func (l *loop) lendMeter() *meter {
	n := len(l.meters)
	if n == 0 {
		return &meter{}
	}
	m := l.meters[n-1]
	l.meters = l.meters[:n-1]
	return m
}

// takeMeter takes a meter back.
func (l *loop) takeMeter(m *meter) {
	*m = meter{}
	if len(l.meters) < restSessions {
		l.meters = append(l.meters, m)
	}
}
