package l4test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// Bubble is synctest.Test on one processor. On several, Go 1.26's race detector crashes now and then: it keeps one
// record of what the timers of a bubble do, and two threads write to it where a goroutine that one timer woke finds
// another one due (unlockAndRun in runtime/time.go).
func Bubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	bubbles.enter()
	defer bubbles.leave()
	synctest.Test(t, f)
}

// bubbles knows of those that run side by side.
var bubbles oneProcessor

// oneProcessor keeps the process to one processor as long as anything wants that.
type oneProcessor struct {
	mu    sync.Mutex
	wants int
	usual int // processors, to go back to
}

func (o *oneProcessor) enter() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wants++; o.wants == 1 {
		o.usual = runtime.GOMAXPROCS(1)
	}
}

func (o *oneProcessor) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wants--; o.wants == 0 {
		runtime.GOMAXPROCS(o.usual)
	}
}
