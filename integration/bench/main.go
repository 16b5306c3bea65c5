// Command bench measures what Forebay costs beside nginx, HAProxy and the textbook Go proxy, in one run on one machine.
//
//	go run ./integration/bench [-quick] [-only exchange,conn,bulk] [-rounds N] [-programs forebay,nginx] [-threads 1,default]
//
// It prints tables to stdout and its progress to stderr. A whole run writes docs/benchmarks.md too. Exit status: 0 when
// all was measured, 1 when something failed at work, 2 when it was called wrongly or a program is missing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The subcommands, each a process of its own.
const (
	backendCommand   = "backend"
	streamsCommand   = "streams"
	loadCommand      = "load"
	referenceCommand = "reference"
)

// runLimit bounds a whole run, whatever happens.
const runLimit = 30 * time.Minute

func main() {
	err := run(os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
	}
	os.Exit(status(err))
}

// usageError is what makes the exit status 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func status(err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

// run is the whole program: one of its subcommands, which only it starts, or the benchmark.
func run(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case backendCommand:
			return backendMain(os.Stdin, os.Stdout)
		case streamsCommand:
			return streamsMain(os.Stdin)
		case loadCommand:
			return loadMain(os.Stdin, os.Stdout)
		case referenceCommand:
			return referenceMain(args[1:])
		}
	}
	o, err := parseOptions(args, os.Stderr)
	if err != nil {
		return usageError{err}
	}
	return benchMain(o)
}

// options is the command line.
type options struct {
	plan    plan
	forebay string
	page    string // where to write the page; "": nowhere
	json    string // where to write the samples; "": nowhere
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // one line for a mistake, and help for who asks
	quick := flags.Bool("quick", false, "measure less, in about two minutes")
	only := flags.String("only", "", "measure these `steps` alone: "+strings.Join(stepNames(), ","))
	rounds := flags.Int("rounds", 0, "`rounds` of each step (default 5, 11 or 21, the more the briefer and noisier it is; with -quick 1)")
	programs := flags.String("programs", "", "measure these `programs` (default forebay,haproxy,nginx,io.Copy)")
	threads := flags.String("threads", "1,default", "a table for each of these `numbers` of threads; default is each program's own")
	forebay := flags.String("forebay", "bin/forebay", "`path` of the forebay binary")
	page := flags.String("page", "", "write the page to `file` (default docs/benchmarks.md for a whole run, else none)")
	samples := flags.String("json", "", "write all samples to `file`")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(stderr)
			flags.PrintDefaults()
		}
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("argument %q: there are only flags", flags.Arg(0))
	}
	o := options{plan: fullPlan(), forebay: *forebay, page: *page, json: *samples}
	if *quick {
		o.plan = quickPlan()
	}
	whole := !*quick && *only == "" && *programs == "" && *threads == "1,default"
	if o.page == "" && whole {
		o.page = "docs/benchmarks.md"
	}
	o.plan.Only = list(*only)
	if *programs != "" {
		o.plan.Programs = list(*programs)
	}
	if *rounds != 0 {
		o.plan.Rounds, o.plan.Briefs, o.plan.Closes = *rounds, *rounds, *rounds
	}
	var err error
	if o.plan.Threads, err = parseThreads(*threads); err != nil {
		return options{}, err
	}
	return o, o.plan.validate()
}

// list returns the parts of s between commas, none of the empty string.
func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func parseThreads(s string) ([]threads, error) {
	var all []threads
	for _, word := range list(s) {
		n, err := strconv.Atoi(word)
		switch {
		case word == "default":
			n = 0
		case err != nil, n < 1, n > 64:
			return nil, fmt.Errorf("-threads %q: want numbers from 1 to 64, or default", word)
		}
		all = append(all, threads(n))
	}
	return all, nil
}

// benchMain measures and reports. What was measured before a failure or a Ctrl-C is printed all the same.
func benchMain(o options) error {
	// The kernel ends a child when the thread that started it ends, which this one now does only with the process.
	runtime.LockOSThread()
	programs, err := findPrograms(o.plan.Programs, o.forebay)
	if err != nil {
		return usageError{err}
	}
	files, err := limitFiles(mostFiles)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	r, err := measureAll(ctx, o.plan, programs, files)
	if r != nil {
		r.writeTables(os.Stdout)
		fmt.Printf("Other programs took %.0f %% of the machine meanwhile.\n", r.Others*100)
	}
	if err != nil {
		return err
	}
	return o.write(r)
}

// measureAll does the plan. An error comes with what was measured before it, if anything was.
func measureAll(ctx context.Context, p plan, programs []*program, files int) (*report, error) {
	before, err := readMachine()
	if err != nil {
		return nil, err
	}
	progress := newProgress(os.Stderr, p.measurements())
	b, err := startBench(p, programs, files, progress)
	if err != nil {
		return nil, err
	}
	err = b.run(ctx)
	progress.end()
	b.stop() // before the second reading, which counts children only once they have ended
	after, errAfter := readMachine()
	b.report.Others = after.othersSince(before)
	return b.report, errors.Join(err, errAfter)
}

// write writes the files that were asked for. Measurements that failed make an error too.
func (o options) write(r *report) error {
	var errs []error
	if o.page != "" {
		errs = append(errs, r.writePage(o.page))
	}
	if o.json != "" {
		errs = append(errs, r.writeJSON(o.json))
	}
	if n := len(r.Failures); n > 0 {
		errs = append(errs, fmt.Errorf("%d measurements failed", n))
	}
	return errors.Join(errs...)
}

// limitFiles sets the limit on open files of this process and those it starts to n, or to what is allowed if that is
// less, and returns it: programs size themselves by it, and are to be compared at the same size.
func limitFiles(n uint64) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit on open files: %w", err)
	}
	limit.Cur = min(n, limit.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("set the limit on open files to %d: %w", limit.Cur, err)
	}
	return int(limit.Cur), nil
}
