package l4

import (
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// A tidier returns memory to the system once a burst of TLS handshakes is over. Each handshake leaves some 40 KiB of
// garbage. The runtime lets as much pile up as is in use, keeps it for two minutes where nothing more is allocated, and
// returns it later still: that nearly doubled what each idle session held. While handshakes go on nothing is done, as
// the runtime then collects often enough by itself. An idle process has no timer.
type tidier struct {
	ended atomic.Uint64 // handshakes
	some  chan struct{} // holds one where a handshake has ended since run last looked
	heap  func() (live, held uint64)
	free  func()
	stays uint64 // bytes that were in no use when memory had been returned the last time
}

// lull is for how long no handshake must end before memory is returned. Returning it takes some 5 ms of a processor for
// a thousand idle sessions, half of it the collector's.
const lull = 2 * time.Second

func newTidier() *tidier {
	return &tidier{some: make(chan struct{}, 1), heap: heap, free: debug.FreeOSMemory}
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
		if t.awaitLull(quit) {
			t.tidy()
		}
	}
}

// awaitLull returns once no handshake has ended for a lull; it returns false where quit comes first. It looks now and
// then, as being told of each handshake would wake a goroutine for each.
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
		case <-t.some: // before the count is read, so that run is told of handshakes that the count lacks
		default:
		}
		now := t.ended.Load()
		if now == before {
			return true
		}
		before = now
	}
}

// How much memory must be in no use to be returned. For less a collection, which looks at all that is in use, is not
// worth it.
const (
	leastSpare = 2 << 20
	leastShare = 8 // one in so many of the bytes in use
)

// tidy returns memory if it is worth it. Some of what is free stays, as each processor keeps a few pages for itself.
func (t *tidier) tidy() {
	live, held := t.heap()
	if held < live+t.stays+max(leastSpare, live/leastShare) {
		return
	}
	t.free()
	live, held = t.heap()
	t.stays = held - min(live, held)
}

// heap returns how many bytes the last collection found in use, and how many are taken now: by what has come since,
// garbage included, and by what is free and was not returned.
func heap() (live, held uint64) {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64() + samples[2].Value.Uint64()
}
