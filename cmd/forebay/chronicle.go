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
	allDown string // what becomes of sessions while no backend is up
	entries chan entry
	lost    atomic.Uint64
	dark    map[*pool.Pool]bool // of which no backend is up
}

// An entry is one transition of a backend of a pool.
type entry struct {
	pool    *pool.Pool
	backend *pool.Backend
	pool.Transition
}

func newChronicle(logger *slog.Logger, allDown pool.WhenAllDown) *chronicle {
	return &chronicle{logger: logger, allDown: allDown.String(), entries: make(chan entry, chronicleLength), dark: make(map[*pool.Pool]bool)}
}

// follow has every transition in p logged, soon after it. What it does meanwhile waits for nothing.
func (c *chronicle) follow(p *pool.Pool) {
	p.Watch(func(b *pool.Backend, t pool.Transition) { c.enter(entry{p, b, t}) })
}

func (c *chronicle) enter(e entry) {
	select {
	case c.entries <- e:
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
			c.logDark(e.pool)
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

// logDark logs when the last backend of p is up no more. That one is up again has been logged by its name.
func (c *chronicle) logDark(p *pool.Pool) {
	up, all := p.Count()
	dark := up == 0 && all > 0
	if dark && !c.dark[p] {
		c.logger.Error("no backend is up", "of", all, "when_all_down", c.allDown)
	}
	c.dark[p] = dark
}
