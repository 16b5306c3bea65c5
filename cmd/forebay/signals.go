package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// catch has the signals that a process at work obeys put into a channel, from the very beginning: names may be looked
// up for ten seconds before it serves, and what the kernel does by itself would end the process meanwhile.
func catch(e *env) chan os.Signal {
	signals := make(chan os.Signal, 8)
	e.notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGPIPE) // a log's reader that went away must not end the process
	return signals
}

// asksToStop reports whether sig always does.
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

// A terminal is what a process may have been started from. Its hang-up is told by SIGHUP, as is what an administrator
// wants of a daemon: what tells them apart is whether the terminal is still there.
type terminal struct {
	find func() error // nil: there is none. syscall.ENXIO where the process has no controlling terminal (tty(4))
	had  bool         // at the start, by a process that was to be told of a hang-up
}

// controllingTerminal opens the controlling terminal, and closes it again.
func controllingTerminal() error {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return tty.Close()
}

// hangUpTime is how long the kernel may take. Where the leader of a session exits, it signals the others first and
// takes the terminal away then.
const hangUpTime = 100 * time.Millisecond

// gone reports whether the terminal was there and is no more.
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
