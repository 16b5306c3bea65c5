package integration

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
)

// With room for 64 descriptors and 200 clients at once, those that do not fit wait in the kernel's queue without a
// spin, and all are served.
func TestFewDescriptorsSuffice(t *testing.T) {
	measures(t)
	b := l4test.Echo(t)
	f := startCommand(t, exec.Command("sh", append([]string{"-c", `ulimit -n 64 && exec "$0" "$@"`, program}, serveArgs([]string{b.Addr()})...)...))
	const clients = 200
	hold, served := make(chan struct{}), make(chan struct{}, clients)
	var all sync.WaitGroup
	for range clients {
		c := l4test.Dial(t, f.Addr()).Send("x")
		all.Go(c.Beside(func(p *l4test.Peer) {
			p.Expect("x")
			served <- struct{}{}
			<-hold
			p.CloseWrite().ExpectEOF().Close()
		}))
	}
	for range 5 {
		<-served
	}
	awaitStandstill(t, b.Open)
	if n := b.Open(); n >= clients {
		t.Errorf("forebay holds %d sessions under a limit of 64 descriptors", n)
	}
	f.AwaitRest(time.Second, 20*time.Millisecond)
	close(hold)
	all.Wait()
	b.AwaitDone(clients)
	for _, e := range f.Sessions(clients) {
		wantBytes(t, e, 1, 1)
	}
}

// The limit is lowered under a running forebay, below what it holds already, so that accept4 and socket fail with
// EMFILE: clients wait, nothing spins, and when there is room again all are served.
func TestDescriptorsMayRunOut(t *testing.T) {
	measures(t)
	b := l4test.Echo(t)
	f := start(t, b.Addr(), "--connect-timeout", "1m")
	f.Allow(`accepting pauses`)
	first := l4test.Dial(t, f.Addr()).Send("x").Expect("x")
	limit(t, f, uint64(f.Descriptors())+1) // room for a client and none for its backend
	var late []*l4test.Peer
	for range 20 {
		late = append(late, l4test.Dial(t, f.Addr()).Send("y"))
	}
	f.AwaitRest(time.Second, 100*time.Millisecond)
	first.Send("z").Expect("z")
	limit(t, f, 1000)
	for _, p := range late {
		p.Expect("y").CloseWrite().ExpectEOF()
	}
}

// limit sets the process's descriptor limit.
func limit(t *testing.T, f *forebay, n uint64) {
	t.Helper()
	old := unix.Rlimit{}
	if err := unix.Prlimit(f.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(f.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: old.Max}, nil); err != nil {
		t.Fatal(err)
	}
}

// What fits is said at the start.
func TestMaxConnsIsDerivedAndSaid(t *testing.T) {
	t.Parallel()
	f := startCommand(t, exec.Command("sh", append([]string{"-c", `ulimit -n 100 && exec "$0" "$@"`, program}, serveArgs([]string{l4test.Echo(t).Addr()})...)...))
	if text := f.Stderr.AwaitMatch(t, `(?i)max.?conns`); !strings.ContainsAny(text, "123456789") {
		t.Errorf("stderr tells no number of sessions: %q", text)
	}
	if !slices.ContainsFunc(f.Stderr.All(), func(l string) bool { return strings.Contains(l, fmt.Sprint(100)) }) {
		t.Logf("stderr does not tell the limit it was derived from:\n%s", f.Stderr)
	}
}

// More loops than there is room for are refused, and the sessions beside those that fit are fewer.
func TestLoopsTakeDescriptors(t *testing.T) {
	t.Parallel()
	check := func(loops string) (string, error) {
		c := exec.Command("sh", "-c", `ulimit -n 512 && exec "$0" check --loops "$1" 127.0.0.1:1`, program, loops)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	out, err := check("100")
	if want := "--loops: 100 event loops do not fit into the limit of 512 file descriptors; write at most"; err == nil || !strings.Contains(out, want) {
		t.Errorf("100 loops: got %v and %s, want a fault: %s", err, out, want)
	}
	fit := regexp.MustCompile(`sessions: at most (\d+)`)
	most := func(loops string) int {
		out, err := check(loops)
		found := fit.FindStringSubmatch(out)
		if err != nil || found == nil {
			t.Fatalf("%s loops: %v: %s", loops, err, out)
		}
		n, _ := strconv.Atoi(found[1])
		return n
	}
	if few, many := most("1"), most("50"); many > few-49*6/2 {
		t.Errorf("beside 50 loops %d sessions fit, beside one %d: want fewer by three for each of 49 loops", many, few)
	}
}
