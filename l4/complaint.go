package l4

import (
	"sync/atomic"
	"time"
)

// A complaint is what this machine lacks again and again. It is said at once, and then once in complainEvery, however
// often there is reason.
type complaint struct {
	times atomic.Uint64
	again atomic.Int64 // when it may be said again, in ns on the server's clock
}

const complainEvery = 10 * time.Second

// due counts one more, and reports how many that makes and whether it is to be said now.
func (c *complaint) due(now int64) (times uint64, due bool) {
	times = c.times.Add(1)
	again := c.again.Load()
	return times, now >= again && c.again.CompareAndSwap(again, now+int64(complainEvery))
}
