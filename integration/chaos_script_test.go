package integration

import (
	"math/rand/v2"
	"slices"
	"time"
)

// A script is what a session of chaos says, and how it ends. It follows from the session's number, so that both peers
// know it.
type script struct {
	turns  []int64 // how many bytes are said, by the client and the backend in turn
	duplex bool    // both speak at once: there is a turn each
	ending ending
	acked  bool          // who resets waits until all it has said is acknowledged
	chunk  int           // of one write
	pause  time.Duration // before each of the client's turns
	slow   time.Duration // the client's, before each read

	urgent map[direction][]int64 // which bytes are sent as urgent data, in ascending order
	lull   time.Duration         // before and behind each of those
}

// An ending is how a session of chaos ends that nothing comes in the way of.
type ending uint8

const (
	clientEnds    ending = iota // with a FIN behind its last turn
	backendEnds                 // with a FIN behind its last turn
	clientResets                // behind the last turn
	backendResets               // behind its last turn
)

// scriptOf returns a session's script. Where bulk is 0 all are short.
func scriptOf(run uint32, id uint64, bulk int64) script {
	r := rand.New(rand.NewPCG(uint64(run), id))
	if bulk == 0 {
		return script{ending: ending(pick(r, 50, 50)), chunk: 1 << 30, turns: []int64{size(r, 512), size(r, 512)}}
	}
	s := script{
		ending: ending(pick(r, 50, 30, 8, 12)),
		acked:  r.IntN(2) == 0,
		chunk:  []int{1 << 30, 16 << 10, 100, 7}[pick(r, 60, 25, 12, 3)],
	}
	switch pick(r, 45, 35, 10, 10) {
	case 0: // a request and its answer
		s.turns = []int64{size(r, 4096), size(r, 16<<10)}
	case 1: // a conversation
		for range 1 + r.IntN(12) {
			s.turns = append(s.turns, size(r, 512), size(r, 2048))
		}
		s.pause = time.Duration(r.IntN(400)) * time.Millisecond / time.Duration(len(s.turns))
	case 2: // bulk, one way or the other
		s.turns = []int64{size(r, bulk), size(r, 4096)}
		if r.IntN(2) == 0 {
			s.turns[0], s.turns[1] = s.turns[1], s.turns[0]
		}
		s.chunk = max(s.chunk, 16<<10)
	default: // both at once
		s.turns, s.duplex = []int64{size(r, bulk/2), size(r, bulk/2)}, true
		s.chunk = max(s.chunk, 16<<10)
	}
	if r.IntN(20) == 0 {
		s.slow = time.Millisecond
	}
	return s
}

// withUrgent adds urgent bytes to most scripts: anywhere, at the beginning, near the end, or behind one another.
func (s script) withUrgent(r *rand.Rand) script {
	if r.IntN(4) == 0 {
		return s
	}
	s.urgent = map[direction][]int64{}
	s.lull = []time.Duration{0, 0, time.Millisecond, 5 * time.Millisecond}[r.IntN(4)]
	for _, d := range []direction{up, down} {
		var all []int64
		n, at := s.said(d), int64(0)
		for range r.IntN(6) {
			switch pick(r, 40, 30, 20, 10) {
			case 0:
				at = r.Int64N(n)
			case 1:
				at = n - 1 - r.Int64N(min(n, 64<<10))
			case 2:
				at = min(n-1, at+1+r.Int64N(3))
			default:
				at = r.Int64N(2)
			}
			all = append(all, at)
		}
		slices.Sort(all)
		s.urgent[d] = slices.Compact(all)
	}
	return s
}

// pick returns i with a chance of share[i] %.
func pick(r *rand.Rand, share ...int) int {
	at := r.IntN(100)
	for i, n := range share {
		if at -= n; at < 0 {
			return i
		}
	}
	return len(share) - 1
}

// size returns how much is said in a turn: at least a mark, that its reader may know the session, at most most, and
// little more often than much.
func size(r *rand.Rand, most int64) int64 {
	n := int64(float64(most) * r.Float64() * r.Float64() * r.Float64())
	return max(n, markSize)
}

// said returns how much a direction is to carry in all.
func (s script) said(d direction) (n int64) {
	first := 0
	if d == down {
		first = 1
	}
	for i := first; i < len(s.turns); i += 2 {
		n += s.turns[i]
	}
	return n
}
