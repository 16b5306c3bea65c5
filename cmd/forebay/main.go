// Forebay balances TCP connections over a set of backends. See forebay --help.
package main

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"forebay/l4/handoff"
)

func main() {
	os.Exit(run(&env{
		args:     os.Args[1:],
		stdout:   os.Stdout,
		stderr:   os.Stderr,
		environ:  os.Environ(),
		notify:   signal.Notify,
		resolver: net.DefaultResolver,
		probe:    handoff.Probe,
		stdoutIs: kindOf(os.Stdout),
		stderrIs: kindOf(os.Stderr),
		terminal: terminal{find: controllingTerminal,
			had: !signal.Ignored(syscall.SIGHUP) && controllingTerminal() == nil}, // nohup(1) has it ignored
	}))
}

// An env is all that a command uses of the world outside. With it tests run commands in their own process.
type env struct {
	args           []string // without the program's name
	stdout, stderr io.Writer
	environ        []string                                     // as of os.Environ
	notify         func(c chan<- os.Signal, which ...os.Signal) // as signal.Notify
	resolver       resolver
	probe          func(handoff.Spec) error // as handoff.Probe
	stdoutIs       output
	stderrIs       output
	terminal       terminal // the one that the program was started from
}

// A resolver finds the addresses of a name, as *net.Resolver does.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// An output is the kind of file that a stream goes to.
type output uint8

const (
	toReader output = iota // a pipe or a socket, from which another program may or may not read
	toRegularFile
	toTerminal
)

// kindOf returns the kind of f. A character device other than /dev/null counts as a terminal.
func kindOf(f *os.File) output {
	info, err := f.Stat()
	switch {
	case err != nil:
		return toReader
	case info.Mode().IsRegular():
		return toRegularFile
	case info.Mode()&os.ModeCharDevice == 0:
		return toReader
	}
	if null, err := os.Stat(os.DevNull); err == nil && os.SameFile(info, null) {
		return toRegularFile
	}
	return toTerminal
}
