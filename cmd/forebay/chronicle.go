package main

import (
	"context"
	"log/slog"
	"sync"

	"forebay/pool"
)

// chronicleLength is how many transitions may wait to be logged: a dozen for each backend of a large pool, some 10 MB.
const chronicleLength = 64 << 10

// A chronicle logs the transitions of backends on a goroutine of its own. A transition may happen on the loop of a
// session, which must not wait for the log's reader.
type chronicle struct {
	logger   *slog.Logger
	patience func(context.Context) // called before each is logged; it may wait
	allDown  string                // what happens to sessions while no backend is up
	dark     map[*pool.Pool]bool   // the pools of which no backend is up
	entered  chan struct{}         // has a token when there are entries

	mu      sync.Mutex // guards what follows
	entries []entry
	lost    uint64 // transitions that had no room in entries
}

// An entry is one transition of a backend of a pool.
type entry struct {
	pool    *pool.Pool
	backend *pool.Backend
	pool.Transition
}

func newChronicle(logger *slog.Logger, allDown pool.WhenAllDown, patience func(context.Context)) *chronicle {
	return &chronicle{logger: logger, patience: patience, allDown: allDown.String(), dark: make(map[*pool.Pool]bool),
		entered: make(chan struct{}, 1)}
}

// follow has every transition in p logged, soon after it. The goroutine of the transition never waits.
func (c *chronicle) follow(p *pool.Pool) {
	p.Watch(func(b *pool.Backend, t pool.Transition) { c.enter(entry{p, b, t}) })
}

func (c *chronicle) enter(e entry) {
	c.mu.Lock()
	if len(c.entries) < chronicleLength {
		c.entries = append(c.entries, e)
	} else {
		c.lost++
	}
	c.mu.Unlock()
	select {
	case c.entered <- struct{}{}:
	default:
	}
}

// take returns and removes the entries, and the number of those that had no room.
func (c *chronicle) take() (entries []entry, lost uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries, c.entries = c.entries, nil
	lost, c.lost = c.lost, 0
	return entries, lost
}

// write logs what is entered until ctx is done.
func (c *chronicle) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.entered:
		}
		entries, lost := c.take()
		for _, e := range entries {
			if c.patience(ctx); ctx.Err() != nil {
				return
			}
			c.log(e)
			c.logDark(e.pool)
		}
		if lost > 0 {
			c.logger.Warn("changes of backends were not logged", "changes", lost)
		}
	}
}

func (c *chronicle) log(e entry) {
	about := []any{"backend", e.backend.Name(), "from", e.From.String(), "to", e.To.String(), "by", e.Witness.String(),
		"why", e.Reason}
	if !e.Until.IsZero() {
		about = append(about, "hold", e.Until.Sub(e.At).String())
	}
	if e.To == pool.Up {
		c.logger.Info("a backend is up", about...)
		return
	}
	c.logger.Warn("a backend is "+e.To.String(), about...)
}

// logDark logs that no backend of p is up any more. That one is up again needs no message: its own transition is
// logged.
func (c *chronicle) logDark(p *pool.Pool) {
	up, all := p.Count()
	dark := up == 0 && all > 0
	if dark && !c.dark[p] {
		c.logger.Error("no backend is up", "of", all, "when_all_down", c.allDown)
	}
	c.dark[p] = dark
}
