package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// catch has all signals that a serving process handles sent to a channel. It is called first of all: names may be
// looked up for ten seconds before the process serves, and an uncaught signal would end it in that time.
func catch(e *env) chan os.Signal {
	signals := make(chan os.Signal, 8)
	e.notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1,
		syscall.SIGUSR2, syscall.SIGPIPE) // a log's reader that has gone must not end the process
	return signals
}

// asksToStop reports whether sig is always a signal to stop.
func asksToStop(sig os.Signal) bool {
	return sig == syscall.SIGTERM || sig == syscall.SIGINT || sig == syscall.SIGQUIT
}

// settleUnlessStopped is settle. A signal to stop, or the end of the terminal, ends what it waits for, and is returned.
// Others have nothing to do yet, as whatever they would have read again is read now.
func settleUnlessStopped(e *env, c *commandLine, signals <-chan os.Signal) (p *plan, stop os.Signal, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTime)
	defer cancel()
	settled, heard := make(chan struct{}), make(chan os.Signal, 1)
	go func() {
		defer close(heard)
		for asked := false; ; {
			select {
			case <-settled:
				return
			case sig := <-signals:
				if !asked && (asksToStop(sig) || sig == syscall.SIGHUP && e.terminal.gone()) {
					asked = true
					heard <- sig
					cancel()
				}
			}
		}
	}()
	p, err = c.settle(ctx, e)
	close(settled)
	return p, <-heard, err
}

// A terminal is the terminal that a process may have been started from. SIGHUP means its hang-up, or, for a daemon,
// that files are to be read again. The terminal tells which: after a hang-up it is gone.
type terminal struct {
	// find looks for the terminal. nil: there is none. It returns syscall.ENXIO where the process has no controlling
	// terminal (tty(4)).
	find func() error
	had  bool // there was one at the start, and SIGHUP was not ignored
}

// controllingTerminal opens the controlling terminal, and closes it again.
func controllingTerminal() error {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return tty.Close()
}

// hangUpTime is how long the kernel may take to remove the terminal. When the leader of a session exits, the kernel
// signals the others before it removes the terminal.
const hangUpTime = 100 * time.Millisecond

// gone reports whether there was a terminal at the start and there is none now.
func (t *terminal) gone() bool {
	if !t.had {
		return false
	}
	if errors.Is(t.find(), syscall.ENXIO) {
		return true
	}
	time.Sleep(hangUpTime)
	return errors.Is(t.find(), syscall.ENXIO)
}
