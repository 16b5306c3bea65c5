package integration

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"forebay/l4/l4test"
)

const (
	patience = 30 * time.Second // how long a test waits for what should come at once
	slack    = 10 * time.Second // what a busy machine may add to a time that is measured
)

// A process is a running program of which a test sees what anyone sees from outside: its output, its status, and /proc.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	Stdout *lines
	Stderr *lines
	ended  chan struct{} // closed when it has ended and all its output is in
	status int           // valid then; -1 where a signal ended it
}

// run starts a program. It is killed at the end of the test where nothing ended it before.
func run(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, Stdout: newLines(), Stderr: newLines(), ended: make(chan struct{})}
	out, _ := cmd.StdoutPipe()
	err, _ := cmd.StderrPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(out, err)
	t.Cleanup(p.kill)
	return p
}

// follow collects what the process writes until it has ended.
func (p *process) follow(out, err io.Reader) {
	var both sync.WaitGroup
	both.Go(func() { p.Stdout.collect(out) })
	both.Go(func() { p.Stderr.collect(err) })
	both.Wait()
	p.cmd.Wait()
	p.status = p.cmd.ProcessState.ExitCode()
	close(p.ended)
}

func (p *process) kill() {
	if p.Running() {
		p.send(syscall.SIGKILL)
		<-p.ended
	}
}

// Signal sends sig.
func (p *process) Signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.send(sig); err != nil {
		p.t.Fatalf("signal %v: %v", sig, err)
	}
}

// send signals the process, and its children where it has a group of its own.
func (p *process) send(sig syscall.Signal) error {
	if a := p.cmd.SysProcAttr; a != nil && a.Setpgid {
		return syscall.Kill(-p.cmd.Process.Pid, sig)
	}
	return p.cmd.Process.Signal(sig)
}

// Wait waits for the process's end and returns its exit status.
func (p *process) Wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.status
	case <-time.After(patience):
		p.t.Fatalf("still running after %v; its stderr:\n%s", patience, p.Stderr)
		return -1
	}
}

// Running reports whether the process has not ended.
func (p *process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

func (p *process) pid() string { return strconv.Itoa(p.cmd.Process.Pid) }

// A forebay is the program under test, serving.
type forebay struct {
	*process
	addrs   []string         // where it listens, TCP only, in ascending order
	allowed []*regexp.Regexp // what its stderr may say
	want    int              // its exit status when the test ends it
}

// start runs forebay with args, listening on a free port of 127.0.0.1 where args do not name a listener, and returns
// when it listens. The test fails if, in the end, forebay does not stop cleanly on SIGTERM or if its stderr shows an
// error that Allow did not announce.
func start(t testing.TB, args ...string) *forebay {
	t.Helper()
	return startCommand(t, exec.Command(program, serveArgs(args)...))
}

// unwatched returns the arguments of a forebay that finds out with each session anew which backends are up, and args
// after them.
func unwatched(args ...string) []string {
	return append([]string{"--check", "off", "--eject-after", "0", "--eject-share", "0%", "--eject-waiting", "0"}, args...)
}

// healthFlag is what makes a test one about the backends' health.
var healthFlag = regexp.MustCompile(`^--(check|eject|initial|rise|fall|slow-start|when-all-down|panic-threshold)\b`)

// serveArgs adds to args what every test wants. Where they say nothing about health nobody looks after it: a check
// could come in the way of a script that is for one connection, and a backend that is to fail would be reported.
func serveArgs(args []string) []string {
	all := []string{"serve", "--log", "json"}
	if !slices.ContainsFunc(args, healthFlag.MatchString) {
		all = append(all, unwatched()...)
	}
	if !slices.Contains(args, "-l") {
		all = append(all, "-l", "127.0.0.1:0")
	}
	return append(all, args...)
}

func startCommand(t testing.TB, cmd *exec.Cmd) *forebay {
	t.Helper()
	cmd.Env = cleanEnvironment()
	f := &forebay{process: run(t, cmd)}
	f.Allow("a key can be read by every user") // as tests have it, whose servers are of several users
	t.Cleanup(f.finish)
	l4test.Await(t, patience, "forebay listens", func() bool {
		if !f.Running() {
			t.Fatalf("forebay %q ended with status %d:\n%s", cmd.Args[1:], f.status, f.Stderr)
		}
		f.addrs = listening(f.pid())
		if len(f.addrs) == 0 && os.Getuid() != 0 && l4test.Descriptors(f.pid()) < 0 { // one with keys shows its descriptors to root alone
			f.addrs = f.told()
		}
		return len(f.addrs) > 0 || len(listeningUNIX(f.pid())) > 0
	})
	return f
}

// told returns where f says that it listens.
func (f *forebay) told() []string {
	for _, line := range f.Stderr.All() {
		var said struct {
			Msg       string
			Listeners []string
		}
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "serving" {
			return said.Listeners
		}
	}
	return nil
}

// cleanEnvironment is this process's without what forebay reads there.
func cleanEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "FOREBAY_") })
}

// Addr returns where forebay listens.
func (f *forebay) Addr() string { return f.addrs[0] }

// Allow announces that stderr may show lines that match pattern.
func (f *forebay) Allow(pattern string) { f.allowed = append(f.allowed, regexp.MustCompile(pattern)) }

// alarming is what a line of stderr has that nobody wants to see.
var alarming = regexp.MustCompile(`(?i)\b(error|warn(ing)?|fail(ed|ure)?|panic|fatal|data race|goroutine \d+|bug)\b|level=(ERROR|WARN)`)

// tally is how many sessions ended by which cause, which forebay tells at the end: their names may be alarming.
var tally = regexp.MustCompile(`"causes":\{[^}]*\}`)

// finish stops forebay as an operator does, and judges how it went.
func (f *forebay) finish() {
	f.t.Helper()
	if f.Running() {
		f.Signal(syscall.SIGTERM)
	}
	select {
	case <-f.ended:
	case <-time.After(patience):
		f.t.Errorf("forebay did not end within %v of SIGTERM", patience)
		f.kill()
	}
	if f.status != f.want {
		f.t.Errorf("forebay ended with status %d, want %d; its stderr:\n%s", f.status, f.want, f.Stderr)
	}
	for _, line := range f.Stderr.All() {
		if alarming.MatchString(tally.ReplaceAllString(line, "")) && !slices.ContainsFunc(f.allowed, func(r *regexp.Regexp) bool { return r.MatchString(line) }) {
			f.t.Errorf("stderr shows %q", line)
		}
	}
}

// lines collects what a process writes, line by line.
type lines struct {
	mu    sync.Mutex
	all   []string
	added chan struct{} // closed and replaced when a line is added
}

func newLines() *lines { return &lines{added: make(chan struct{})} }

func (l *lines) collect(r io.Reader) {
	for s := bufio.NewScanner(r); s.Scan(); {
		l.mu.Lock()
		l.all = append(l.all, s.Text())
		close(l.added)
		l.added = make(chan struct{})
		l.mu.Unlock()
	}
}

// All returns the lines so far.
func (l *lines) All() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// String returns them as text.
func (l *lines) String() string { return strings.Join(l.All(), "\n") }

// AwaitMatch returns the first line that matches pattern, waiting for it.
func (l *lines) AwaitMatch(t testing.TB, pattern string) string {
	t.Helper()
	r, late := regexp.MustCompile(pattern), time.After(patience)
	for {
		l.mu.Lock()
		i, added := slices.IndexFunc(l.all, r.MatchString), l.added
		l.mu.Unlock()
		if i >= 0 {
			return l.All()[i]
		}
		select {
		case <-added:
		case <-late:
			t.Fatalf("no line matches %q in:\n%s", pattern, l)
		}
	}
}

// AwaitCount returns the first n lines, waiting for them.
func (l *lines) AwaitCount(t testing.TB, n int) []string {
	t.Helper()
	late := time.After(patience)
	for {
		l.mu.Lock()
		all, added := l.all, l.added
		l.mu.Unlock()
		if len(all) >= n {
			return all[:n:n]
		}
		select {
		case <-added:
		case <-late:
			t.Fatalf("got %d lines, want %d; the last ones:\n%s", len(all), n, strings.Join(all[max(0, len(all)-3):], "\n"))
		}
	}
}
