package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/go-multierror"
	"github.com/urfave/cli/v2"

	"forebay/l4"
)

const (
	programName = "forebay"
	serveName   = "serve"
	helpName    = "help"
)

// The exit statuses.
const (
	exitDone   = 0
	exitFailed = 1 // an error at work, or sessions were cut
	exitUsage  = 2 // a wrong command line; nothing was started
)

// A command is one word of the command line. A command line without a command means the first in the table.
type command struct {
	name     string
	usage    string
	more     string // what help says about it; "": the general help
	settings bool   // it takes flags and BACKENDs
	run      func(e *env, c *commandLine, operands []string) error
}

// printing returns run for a command that only prints: an error of the output is an error of the command.
func printing(
	run func(e *env, c *commandLine, operands []string) error,
) func(e *env, c *commandLine, operands []string) error {
	return func(e *env, c *commandLine, operands []string) error {
		out := bufio.NewWriter(e.stdout)
		printer := *e
		printer.stdout = out
		if err := run(&printer, c, operands); err != nil {
			return err
		}
		return out.Flush()
	}
}

func commands() []command {
	return []command{
		{serveName, "balance; forebay [flags] BACKEND ... means the same", "", true, serve},
		{"check", "say all that is wrong, or show the settings; touches no traffic", helpCheck, true, printing(check)},
		{"demo", "four sample backends, a balancer before them, nothing to install", helpDemo, true, demo},
		{"ech-key", "ech-key NAME FILE makes a key for Encrypted Client Hello in FILE", helpECHKey, false,
			printing(makeECHKey)},
		{"completion", "print a script for the shell: bash, zsh or fish", helpCompletion, false, printing(complete)},
		{"version", "what was built from what, and where it runs", helpVersion, false, printing(version)},
		{helpName, "this; help GROUP and help all tell more", "", false, printing(help)},
	}
}

func commandNames() []string {
	var all []string
	for _, c := range commands() {
		all = append(all, c.name)
	}
	return all
}

func isCommand(name string) bool {
	return slices.ContainsFunc(commands(), func(c command) bool { return c.name == name })
}

// moreOf returns what help says about one command; "" where it has nothing of its own.
func moreOf(name string) string {
	for _, c := range commands() {
		if c.name == name {
			return c.more
		}
	}
	return ""
}

func takesSettings(name string) bool {
	return slices.ContainsFunc(commands(), func(c command) bool { return c.name == name && c.settings })
}

// run runs one command line and returns the exit status.
func run(e *env) int {
	c := newCommandLine()
	args := c.sort(e.args)
	if c.asked != "" {
		args = slices.Concat([]string{programName, c.asked}, c.topic)
	}
	return e.exit(e.app(c).Run(args))
}

// app returns the command line's parser. It prints nothing and does not end the process: Run returns the errors.
func (e *env) app(c *commandLine) *cli.App {
	app := &cli.App{
		Name:            programName,
		Writer:          e.stdout,
		ErrWriter:       e.stderr,
		HideHelp:        true,
		HideVersion:     true,
		HideHelpCommand: true,
		ExitErrHandler:  func(*cli.Context, error) {},
		OnUsageError:    wrongUsage,
	}
	for _, cmd := range commands() {
		app.Commands = append(app.Commands, e.command(c, cmd))
	}
	return app
}

func (e *env) command(c *commandLine, cmd command) *cli.Command {
	parsed := &cli.Command{
		Name:            cmd.name,
		HideHelp:        true,
		HideHelpCommand: true,
		OnUsageError:    wrongUsage,
		Action: func(ctx *cli.Context) error {
			operands := ctx.Args().Slice()
			if cmd.settings {
				c.complete(operands, e.environ)
			} else if err := c.faults.err(); err != nil {
				return err
			}
			return cmd.run(e, c, operands)
		},
	}
	if cmd.settings {
		parsed.Flags = c.flags()
	}
	return parsed
}

// wrongUsage replaces the error of the parser. The only error left is a flag with a command that takes none: sort has
// found all others.
func wrongUsage(ctx *cli.Context, _ error, _ bool) error {
	var f faults
	f.addf("", "%s takes no flags", ctx.Command.Name)
	return f.err()
}

// exit reports err, and returns the exit status for it.
func (e *env) exit(err error) int {
	if err == nil {
		return exitDone
	}
	if _, ok := errors.AsType[*l4.CutError](err); ok {
		return exitFailed // logged when it happened
	}
	fmt.Fprint(e.stderr, lines(err))
	if _, ok := errors.AsType[*multierror.Error](err); ok {
		return exitUsage
	}
	return exitFailed
}

// draft checks all that can be checked without a socket.
func (c *commandLine) draft(ctx context.Context, e *env) *plan {
	c.validate()
	return c.plan(ctx, e.resolver)
}

// settle checks all that can be checked before the listeners are opened. The error holds every fault.
func (c *commandLine) settle(ctx context.Context, e *env) (*plan, error) {
	p := c.draft(ctx, e)
	if c.faults.err() != nil {
		c.faults.add("", errors.Join(p.probe(e)...))
	}
	return p, c.faults.err()
}

// noOperands refuses operands for a command that takes none.
func noOperands(name string, operands []string) error {
	var f faults
	for _, o := range operands {
		f.addf("", "%s takes no argument, and %q is one", name, o)
	}
	return f.err()
}
