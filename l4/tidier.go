package l4

import (
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// A tidier returns memory once a burst of TLS handshakes is over. Each leaves some 40 KiB of garbage, and the runtime lets as much pile up as
// is in use, keeps it for two minutes where nothing more is allocated, and gives it back to the system later still: with idle sessions that
// nearly doubled what each of them held. While handshakes go on nothing is done, as then the runtime collects often enough by itself; and an
// idle process has no timer.
type tidier struct {
	ended atomic.Uint64 // handshakes
	some  chan struct{} // holds one where a handshake has ended since run last looked
	spare func() bool   // whether it is worth it
	free  func()
}

// lull is for how long no handshake must end before memory is returned. That takes some 5 ms of a processor for a thousand idle sessions,
// half of it the collector's.
const lull = 2 * time.Second

func newTidier() *tidier {
	return &tidier{some: make(chan struct{}, 1), spare: muchIsSpare, free: debug.FreeOSMemory}
}

// shook tells that a handshake has ended.
func (t *tidier) shook() {
	t.ended.Add(1)
	select {
	case t.some <- struct{}{}:
	default: // run has not looked yet
	}
}

// run waits for bursts, one after the other, until quit.
func (t *tidier) run(quit <-chan struct{}) {
	for {
		select {
		case <-t.some:
		case <-quit:
			return
		}
		if t.awaitLull(quit) && t.spare() {
			t.free()
		}
	}
}

// awaitLull returns once no handshake has ended for a lull, false where quit comes first. It looks now and then, as being told of each
// handshake would wake a goroutine for each.
func (t *tidier) awaitLull(quit <-chan struct{}) bool {
	ticks := time.NewTicker(lull)
	defer ticks.Stop()
	for before := t.ended.Load(); ; {
		select {
		case <-ticks.C:
		case <-quit:
			return false
		}
		select {
		case <-t.some: // before the count is read, so that run hears of those that are not in it
		default:
		}
		now := t.ended.Load()
		if now == before {
			return true
		}
		before = now
	}
}

// What must be spare at least to be returned: for less it is not worth a collection, which looks at all that is in use.
const (
	leastSpare = 2 << 20
	leastShare = 8 // one in so many of the bytes in use
)

// muchIsSpare reports whether a collection is worth it: what was allocated since the last one and what that one left free is much.
func muchIsSpare() bool {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	live, objects, free := samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()
	return objects+free >= live+max(leastSpare, live/leastShare)
}
