package main

import (
	"context"
	"log/slog"
	"sync/atomic"

	"forebay/pool"
)

// chronicleLength is how many transitions may wait to be logged: more than the largest pool has when all of it goes down twice.
const chronicleLength = 4096

// A chronicle logs the states of backends on a goroutine of its own: a transition may come about on the loop of a session, which must
// not wait for the log's reader.
type chronicle struct {
	logger  *slog.Logger
	entries chan entry
	lost    atomic.Uint64
}

// An entry is one transition of a backend.
type entry struct {
	backend *pool.Backend
	pool.Transition
}

func newChronicle(logger *slog.Logger) *chronicle {
	return &chronicle{logger: logger, entries: make(chan entry, chronicleLength)}
}

// enter has t logged soon. It waits for nothing.
func (c *chronicle) enter(b *pool.Backend, t pool.Transition) {
	select {
	case c.entries <- entry{b, t}:
	default:
		c.lost.Add(1)
	}
}

// write logs what is entered until ctx is done.
func (c *chronicle) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-c.entries:
			c.log(e)
		}
		if n := c.lost.Swap(0); n > 0 {
			c.logger.Warn("changes of backends were not logged", "changes", n)
		}
	}
}

func (c *chronicle) log(e entry) {
	about := []any{"backend", e.backend.Name(), "from", e.From.String(), "to", e.To.String(), "by", e.Witness.String(), "why", e.Reason}
	if !e.Until.IsZero() {
		about = append(about, "hold", e.Until.Sub(e.At).String())
	}
	if e.To == pool.Up {
		c.logger.Info("a backend is up", about...)
		return
	}
	c.logger.Warn("a backend is "+e.To.String(), about...)
}
