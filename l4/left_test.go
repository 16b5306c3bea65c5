package l4

import (
	"maps"
	"testing"

	"forebay/l4/l4test"
)

// expectNothingLeft fails where a server that has ended still counts something as in use: each session, place, lease,
// byte, timer, pipe and socket has been given back. A handshake that was abandoned gives its place back when it has
// computed to its end.
func (s *testServer) expectNothingLeft(tb testing.TB) {
	tb.Helper()
	var left map[string]int64
	if !l4test.Within(patience, func() bool { left = s.left(); return len(left) == 0 }) {
		tb.Errorf("when the server had ended, these were left: %v", left)
	}
}

// left returns what a server that has ended counts as in use, other than nothing.
func (s *testServer) left() map[string]int64 {
	s.places.mu.Lock()
	defer s.places.mu.Unlock()
	left := map[string]int64{
		"sessions":                           s.sessions.Load(),
		"handshakes that go on":              s.shaking.Load(),
		"handshakes in line":                 int64(s.places.fresh.count + s.places.underWay.count),
		"bytes of handshakes in line":        int64(s.places.held),
		"places that were not given back":    int64(s.allPlaces - s.places.free),
		"sessions between two loops":         int64(s.handed.Load() - s.adopted.Load()),
		"clients in the queues of the pools": 0,
	}
	for p := range s.pools() {
		snap := p.Snapshot()
		left["clients in the queues of the pools"] += int64(snap.Waiting)
		for _, b := range snap.Backends {
			left["leases on "+b.Name] = int64(b.Active)
		}
	}
	if s.door != nil {
		left["clients that are delayed"] = s.door.delayed.Load()
		left["sessions of sources"] = s.door.sources.open()
	}
	for _, l := range s.loops {
		left["sessions of loops"] += int64(l.count)
		left["bytes that sessions hold"] += l.held
		left["timers"] += int64(l.wheel.count)
		if l.accept.timer.armed() { // it may be, and does nothing any more
			left["timers"]--
		}
		left["pipes"] += int64(l.pipes.made)
		left["messages"] += int64(len(l.outbox.list))
		left["sockets in stock"] += int64(len(l.sockets.idle[0]) + len(l.sockets.idle[1]))
		left["sessions in the list of bulk"] += int64(len(l.bulk))
		left["posted functions"] += int64(len(l.posted))
	}
	maps.DeleteFunc(left, func(_ string, n int64) bool { return n == 0 })
	return left
}

// open returns how many sessions the sources count.
func (t *sources) open() (n int64) {
	if t == nil {
		return 0
	}
	for i := range t.shards {
		for _, s := range t.shards[i].heads {
			for ; s != nil; s = s.next {
				n += int64(s.sessions)
			}
		}
	}
	return n
}
