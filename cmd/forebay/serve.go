package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"forebay/l4"
	"forebay/l4/accesslog"
	"forebay/l4/handoff"
)

// progressEvery is how often a drain logs how many sessions are left.
const progressEvery = 5 * time.Second

// echoTime is how long after the first signal to stop further ones count as the same: timeout(1) signals its child and
// then the whole group, and a terminal's Ctrl-C may come together with a manager's SIGTERM. An operator who wants to
// stop at once is not as quick.
const echoTime = 300 * time.Millisecond

// serve balances until it is told to stop.
func serve(e *env, c *commandLine, _ []string) error {
	return balance(e, c, nil)
}

// balance checks the command line, opens everything and serves. ready, if not nil, is called when connections are
// accepted.
func balance(e *env, c *commandLine, ready func(*process)) error {
	signals := catch(e)
	plan, stop, err := settleUnlessStopped(e, c, signals)
	switch {
	case stop != nil && errors.Is(err, context.Canceled): // the signal came while names were looked up
		e.logger().Info("stopped before it served", "signal", stop.String())
		return nil
	case err != nil:
		return err
	case stop != nil:
		signals <- stop // there is room: what came meanwhile has been taken out
	}
	plan.hide()
	said := newMessages(e)
	defer said.close()
	e = e.saying(said)
	p := &process{plan: plan, signals: signals, terminal: e.terminal, said: said, logger: e.logger()}
	if err := p.open(e); err != nil {
		return err
	}
	defer limitHeap(p.memory)()
	defer p.close()
	return p.run(e, ready)
}

// A process is a running balancer, with what it has open.
type process struct {
	*plan
	signals   <-chan os.Signal
	terminal  terminal
	said      *messages // to standard error
	logger    *slog.Logger
	file      *accesslog.File // nil where the log goes to standard output
	log       *accesslog.Log
	listeners []*l4.Listener
	server    *l4.Server
	watcher   watcher
	caretaker caretaker
	drainer   drainer
	stopping  time.Time // when the first signal to stop came
}

// open opens the log file and every listener, or nothing. The error holds every fault.
func (p *process) open(e *env) error {
	var refused faults
	var err error
	if p.listeners, err = p.bind(); err != nil {
		refused.add("", err)
	}
	out := e.stdout
	if p.LogFile != "" {
		if p.file, err = accesslog.OpenFile(string(p.LogFile)); err != nil {
			refused.add("--log-file", err)
		} else {
			out = p.file
		}
	}
	if err := refused.err(); err != nil {
		unbind(p.listeners)
		p.closeFile()
		return err
	}
	p.log = accesslog.New(out, p.logOptions(e))
	p.server = p.newServer()
	p.server.Logger = p.logger
	if p.logFormat(e) != accesslog.Off {
		p.server.Finished = p.log.Finished
	}
	p.drains.withhold()
	return nil
}

func (p *process) logOptions(e *env) accesslog.Options {
	return accesslog.Options{
		Format:   p.logFormat(e),
		LogEmpty: bool(p.LogEmpty),
		Failed:   func(err error) { p.logger.Error("sessions are not logged", "error", err) },
	}
}

// close writes the rest of the log, and removes what open made. The Server has closed its listeners.
func (p *process) close() {
	if err := p.log.Close(); err != nil {
		p.logger.Error("sessions are missing from the access log", "error", err)
	}
	if n := p.log.Dropped(); n > 0 {
		p.logger.Warn("the access log lost lines", "lines", n)
	}
	p.closeFile()
	if err := handoff.Remove(p.listeners...); err != nil {
		p.logger.Warn("a socket's file stays", "error", err)
	}
}

func (p *process) closeFile() {
	if p.file != nil {
		p.file.Close()
	}
}

// run serves until a signal ends it. The error is a *l4.CutError if sessions were cut.
func (p *process) run(e *env, ready func(*process)) error {
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(p.listeners...) }()
	select {
	case <-p.server.Started():
	case err := <-served:
		return err
	}
	p.announce(e)
	p.warn()
	p.obey()
	defer p.disobey()
	p.watch()
	defer p.unwatch()
	p.care()
	defer p.uncare()
	if ready != nil {
		ready(p)
	}
	for {
		select {
		case err := <-served:
			return err
		case sig := <-p.signals:
			if !p.stops(sig) {
				continue
			}
			return errors.Join(p.drain(sig), <-served)
		}
	}
}

// stops does what sig asks for. It returns true for a signal to stop, and for a further one, which means at once. An
// echo of the first one does nothing.
func (p *process) stops(sig os.Signal) bool {
	switch {
	case asksToStop(sig) || sig == syscall.SIGHUP && p.terminal.gone():
		if p.stopping.IsZero() {
			p.stopping = time.Now()
			return true
		}
		return time.Since(p.stopping) >= echoTime
	case sig == syscall.SIGHUP:
		p.watcher.do(p.reread)
		p.reopen("SIGHUP")
	case sig == syscall.SIGUSR1:
		p.reopen("SIGUSR1")
	case sig == syscall.SIGUSR2:
		p.logger.Info("SIGUSR2: means nothing here")
	}
	return false
}

// reopen opens the log file anew, after the signal of that name.
func (p *process) reopen(signal string) {
	if p.file == nil {
		p.logger.Info(signal + ": there is no log file to open anew")
		return
	}
	if err := p.file.Reopen(); err != nil {
		p.logger.Error("the old log file stays in use", "error", err)
		return
	}
	p.logger.Info("opened the log file anew", "file", p.LogFile.String())
}

// drain stops accepting, waits for the sessions, and logs how many are left. A second signal stops at once; a third one
// changes nothing.
func (p *process) drain(sig os.Signal) error {
	p.logger.Info("draining", "signal", sig.String(), "sessions", p.server.Snapshot().Sessions,
		"timeout", p.DrainTimeout.String())
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(p.DrainTimeout))
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- p.server.Shutdown(ctx) }()
	progress := time.NewTicker(progressEvery)
	defer progress.Stop()
	var stopped error
	atOnce := false
	for {
		select {
		case err := <-drained:
			return p.told(errors.Join(stopped, err))
		case <-progress.C:
			p.logger.Info("draining", "sessions", p.server.Snapshot().Sessions)
		case again := <-p.signals:
			if p.stops(again) && !atOnce {
				atOnce = true
				p.logger.Info("stopping at once", "signal", again.String(), "sessions", p.server.Snapshot().Sessions)
				stopped = p.server.Stop()
			}
		}
	}
}

// told logs how a drain ended, with the totals of the process.
func (p *process) told(err error) error {
	all := p.server.Snapshot()
	var causes []any
	for _, c := range l4.Causes() {
		if n := all.Causes[c]; n > 0 {
			causes = append(causes, slog.Uint64(c.String(), n))
		}
	}
	logger := p.logger.With("total", all.Accepted, "empty", all.Empty, slog.Group("causes", causes...))
	if cut, ok := errors.AsType[*l4.CutError](err); ok {
		logger.Warn("stopped before every session had ended", "cut", cut.Sessions)
		return err
	}
	logger.Info("stopped")
	return err
}

// saying returns e with another standard error.
func (e *env) saying(stderr io.Writer) *env {
	other := *e
	other.stderr = stderr
	return &other
}
