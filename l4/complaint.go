package l4

import (
	"sync/atomic"
	"time"
)

// A complaint is a message about what this machine lacks. It is logged at once, and from then on once in complainEvery,
// however often there is reason.
type complaint struct {
	times atomic.Uint64
	again atomic.Int64 // when it may be said again, in ns on the server's clock
}

const complainEvery = 10 * time.Second

// due counts one more occasion. It returns how many there were, and whether the complaint is to be logged now.
func (c *complaint) due(now int64) (times uint64, due bool) {
	times = c.times.Add(1)
	again := c.again.Load()
	return times, now >= again && c.again.CompareAndSwap(again, now+int64(complainEvery))
}
