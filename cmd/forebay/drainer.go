package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"forebay/l4"
	"forebay/pool"
)

// A drainer drains and resumes backends as the drain file says, as long as the process serves.
type drainer struct {
	logger  *slog.Logger
	drain   func(context.Context, l4.Drain) error // as l4.Server.Drain
	file    *drainFile
	several bool // there are several routes, so each is named

	stop    context.CancelFunc
	ctx     context.Context
	running sync.WaitGroup
	under   map[*pool.Backend]*emptying
	dark    map[*pool.Pool]bool // the pools of which every backend is drained
}

// An emptying is a drain that goes on, or one that has ended and whose backend is not resumed yet.
type emptying struct {
	logger *slog.Logger // names the backend
	how    drainTimes
	cancel context.CancelFunc
	ended  chan struct{}
	last   l4.DrainProgress
	told   l4.DrainProgress // the progress that was last logged
	begun  bool             // something was logged
}

// drainSilence is how long nothing is logged of a drain in which no session ends.
const drainSilence = time.Minute

// obey begins to follow the drain file.
func (p *process) obey() {
	if p.drains == nil {
		return
	}
	d := &p.drainer
	*d = drainer{logger: p.logger, drain: p.server.Drain, file: p.drains, several: len(p.routes) > 1,
		under: map[*pool.Backend]*emptying{}, dark: map[*pool.Pool]bool{}}
	d.ctx, d.stop = context.WithCancel(context.Background())
	p.drains.obeyedBy(d.follow)
}

// disobey ends what obey began, and waits for it. The file must not be watched any more.
func (p *process) disobey() {
	if p.drains == nil {
		return
	}
	p.drainer.stop()
	p.drainer.running.Wait()
}

// follow resumes the backends that orders do not name, and then drains those that orders name. That order leaves a
// backend for the sessions that have to move. Only one goroutine at a time calls it.
func (d *drainer) follow(orders drainOrders) {
	for _, m := range d.file.members {
		if _, stays := orders[m.Backend]; !stays && d.under[m.Backend] != nil {
			d.resume(m)
		}
	}
	for _, m := range d.file.members {
		if how, drained := orders[m.Backend]; drained {
			d.begin(m, how)
		}
	}
	d.tellDark(orders)
}

// begin drains m, unless m is being drained with the same times already.
func (d *drainer) begin(m drainMember, how drainTimes) {
	if e := d.under[m.Backend]; e != nil {
		if e.how == how {
			return
		}
		e.end()
	}
	ctx, cancel := context.WithCancel(d.ctx)
	e := &emptying{how: how, logger: d.about(m), cancel: cancel, ended: make(chan struct{})}
	d.under[m.Backend] = e
	m.Drain()
	d.running.Go(func() {
		defer close(e.ended)
		order := how.drain(m.Backend)
		order.Progress = e.tell
		e.tellEnd(d.drain(ctx, order))
	})
}

// end stops a drain. Sessions that it has ended already stay ended.
func (e *emptying) end() {
	e.cancel()
	<-e.ended
}

// resume takes m back into use.
func (d *drainer) resume(m drainMember) {
	e := d.under[m.Backend]
	delete(d.under, m.Backend)
	e.end()
	m.Resume()
	e.logger.Info("a backend takes sessions again", "sessions", m.Active())
}

// about returns a logger that names m.
func (d *drainer) about(m drainMember) *slog.Logger {
	l := d.logger.With("backend", m.Name())
	if d.several {
		l = l.With("route", m.route)
	}
	return l
}

// tellDark logs that a route has no backend in use any more.
func (d *drainer) tellDark(orders drainOrders) {
	dark := map[*pool.Pool]bool{}
	for _, m := range d.file.darkened(orders) {
		dark[m.pool] = true
		if !d.dark[m.pool] {
			d.logger.Warn("every backend is drained, and clients are turned away", "route", m.route,
				"file", d.file.path)
		}
	}
	d.dark = dark
}

// tell logs the progress of the drain: at its beginning, then every five seconds while something changes, else once in
// drainSilence.
func (e *emptying) tell(p l4.DrainProgress) {
	e.last = p
	about := []any{"sessions", p.Left, "of", p.Total, "leaving", p.Leaving, "oldest", rounded(p.Oldest),
		"eta", rounded(p.ETA)}
	switch {
	case p.Left == 0:
		return
	case !e.begun:
		e.begun = true
		about = append(about, "idle", e.how.idle.String(), "spread", e.how.spread.String(),
			"deadline", e.how.deadline.String())
	case !e.due(p):
		return
	}
	e.told = p
	e.logger.Info("draining a backend", about...)
}

func (e *emptying) due(p l4.DrainProgress) bool {
	silent := p.Elapsed - e.told.Elapsed
	moves := p.Left != e.told.Left || p.Leaving != e.told.Leaving
	return silent >= drainSilence || moves && silent >= progressEvery
}

// tellEnd logs how the drain ended. It logs nothing where this process stopped the drain.
func (e *emptying) tellEnd(err error) {
	about := []any{"sessions", e.last.Total, "took", e.last.Elapsed.Round(100 * time.Millisecond).String()}
	switch {
	case err == nil && e.last.Cut > 0:
		e.logger.Warn("a backend is drained, and sessions were cut at the deadline",
			append(about, "cut", e.last.Cut)...)
	case err == nil:
		e.logger.Info("a backend is drained", about...)
	case errors.Is(err, context.Canceled) || errors.Is(err, l4.ErrNotServing):
	default:
		e.logger.Error("a backend's sessions are not drained", "error", err)
	}
}

// rounded returns d in whole seconds; a negative d means unknown.
func rounded(d time.Duration) string {
	if d < 0 {
		return "unknown"
	}
	return d.Round(time.Second).String()
}
