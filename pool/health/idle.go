package health

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Idle asks whether the server keeps a connection on which nothing is sent. It finds a dead process in whose place
// something else accepts, such as a forwarder whose server is gone: that closes at once. The server's program sees a
// connection that sends nothing and ends.
type Idle struct {
	Dialer
}

// idleFor is how long the connection must be kept. A forwarder without a server closes sooner, and a server that closes
// idle connections waits longer.
const idleFor = 250 * time.Millisecond

// Probe connects, and waits.
func (p Idle) Probe(ctx context.Context, t Target) Result {
	return p.plainly(ctx, t, func(c *talk) error {
		until := time.Now().Add(idleFor)
		if end, ok := ctx.Deadline(); ok && end.Before(until) {
			until = end
		}
		c.raw.SetReadDeadline(until)
		if ctx.Err() != nil {
			c.interrupt() // again: the deadline that it had set was overwritten
		}
		switch err := c.more(); {
		case err == nil:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(ctx.Err(), context.Canceled):
			c.said.remark("connected")
			return nil
		default:
			return fmt.Errorf("%w, though nothing was said", plain(ctx, err))
		}
	})
}
