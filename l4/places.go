package l4

import (
	"sync"
	"time"
)

// The places are where TLS handshakes are computed. Their number is bounded, as each keeps a processor busy. A
// handshake that finds no free place stands in one of two lines:
//
//   - under way: handshakes that have begun and can go on, as their peer has answered, and those with backends. They
//     come first, the oldest before the others: each has cost something already, and what is left of it costs little.
//   - new: handshakes of clients, of which nothing has been computed. Each is a few hundred bytes and its ClientHello,
//     and has no goroutine.
//
// A handshake that leaves its line costs nothing more. Of the new ones the oldest is next, as its client has not given
// up, however many came and went. When the oldest has waited for longThere, clients come faster than their handshakes
// can be computed, and will give up before their turn comes. From then on the newest is next. So some clients are
// always served at once, and those who try again are among them.
type places struct {
	mu       sync.Mutex
	free     int
	underWay line
	fresh    line
	held     int    // bytes of memory that the new ones keep
	left     uint64 // new ones whose clients have left, or whose time was over
	crowded  complaint
}

const (
	// longThere is how long the oldest of the new handshakes must have waited before the newest is next. Clients wait
	// that long.
	longThere = time.Second
	// freshMost is how much memory the new handshakes may keep. For more the oldest are dropped. It is enough for
	// 10,000 handshakes with the ClientHello of a browser, and for 900 with the longest possible.
	freshMost = 64 << 20
	// freshSize is what a new handshake keeps beside its ClientHello.
	freshSize = 4 << 10
)

// A line is handshakes in the order in which they came.
type line struct {
	first, last *handshake
	count       int
}

func (l *line) add(h *handshake) {
	h.line, h.prev = l, l.last
	if l.last == nil {
		l.first = h
	} else {
		l.last.next = h
	}
	l.last = h
	l.count++
}

func (l *line) remove(h *handshake) {
	if h.prev == nil {
		l.first = h.next
	} else {
		h.prev.next = h.next
	}
	if h.next == nil {
		l.last = h.prev
	} else {
		h.next.prev = h.prev
	}
	h.line, h.next, h.prev = nil, nil, nil
	l.count--
}

// enter takes a place for h, which is to begin then, and reports whether it has. Where no place is free, h stands in
// line, and whoever leaves a place begins it later. dropped are handshakes that had to leave the line for it.
func (p *places) enter(h *handshake) (begins bool, dropped []*handshake) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.free > 0:
		p.free--
		h.begun.Store(true)
		return true, nil
	case !h.ofClient():
		p.underWay.add(h)
		return false, nil
	}
	p.fresh.add(h)
	for p.held += h.size(); p.held > freshMost; {
		oldest := p.fresh.first
		p.takeLocked(oldest)
		dropped = append(dropped, oldest)
	}
	return false, dropped
}

// again returns when h, which has begun, has a place again. It reports false where h was abandoned meanwhile.
func (p *places) again(h *handshake) bool {
	p.mu.Lock()
	if p.free > 0 {
		p.free--
		p.mu.Unlock()
		return true
	}
	p.underWay.add(h)
	p.mu.Unlock()
	return <-h.turn
}

// leave gives a place to the next in line. A handshake that has not begun is returned, and the caller begins it.
func (p *places) leave(now int64) *handshake {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.nextLocked(now)
	switch {
	case h == nil:
		p.free++
		return nil
	case h.begun.Load():
		h.turn <- true
		return nil
	}
	h.begun.Store(true)
	return h
}

// nextLocked takes the next handshake out of its line.
func (p *places) nextLocked(now int64) *handshake {
	h := p.underWay.first
	if h == nil {
		h = p.fresh.first
	}
	if h == nil {
		return nil
	}
	if h.line == &p.fresh && now-h.began > int64(longThere) {
		h = p.fresh.last
	}
	p.takeLocked(h)
	return h
}

func (p *places) takeLocked(h *handshake) {
	if h.line == &p.fresh {
		p.held -= h.size()
	}
	h.line.remove(h)
}

// cancel takes h out of its line if h has not begun. It reports whether it did; h then never begins.
func (p *places) cancel(h *handshake) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.line == nil || h.begun.Load() {
		return false
	}
	if h.line == &p.fresh {
		p.left++
	}
	p.takeLocked(h)
	return true
}

// abandon takes h out of the line it stands in, if any. h then neither begins nor goes on.
func (p *places) abandon(h *handshake) {
	if p.cancel(h) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.line != nil {
		p.takeLocked(h)
		h.turn <- false
	}
}

// look tells how many new handshakes wait, for how long the oldest has, and how many have left the line.
func (p *places) look(now int64) (waiting int, oldest time.Duration, left uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.fresh.first; h != nil {
		oldest = durationOf(now - h.began)
	}
	return p.fresh.count, oldest, p.left
}
