package main

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// start starts a shell script and stops it at the end of the test.
func start(t *testing.T, script string) *process {
	t.Helper()
	p, err := startProcess("the script", exec.Command("/bin/sh", "-c", script))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

// waitFor polls until ok holds: what it waits for happens in other processes.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(5 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s has not happened", what)
		}
	}
}

func TestCPUTimeIsThatOfTheProcess(t *testing.T) {
	var before, after syscall.Rusage
	read := func() time.Duration {
		d, err := cpuTime([]int{os.Getpid()})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	began := read()
	for until := time.Now().Add(100 * time.Millisecond); time.Now().Before(until); {
		os.Lstat("/") // for system time, beside user time
	}
	ended := read()
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	got := ended - began
	want := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	if got <= 0 || (got-want).Abs() > 15*time.Millisecond {
		t.Errorf("got %v, want the %v that getrusage says", got, want)
	}
	// No process number is above 2²² (PID_MAX_LIMIT).
	if _, err := cpuTime([]int{1<<22 + 1}); err == nil {
		t.Error("of no process: got no error")
	}
}

func TestProcessTreeHasGrandchildren(t *testing.T) {
	p := start(t, `/bin/sh -c "sleep 60 & wait" & wait`)
	waitFor(t, "the grandchild", func() bool { return len(p.pids()) == 3 })
}

func TestStopEndsChildrenThatWillNot(t *testing.T) {
	p := start(t, `trap "" TERM; /bin/sh -c 'trap "" TERM; sleep 60 & wait; wait' & wait; wait`)
	waitFor(t, "the grandchild", func() bool { return len(p.pids()) == 3 })
	pids := p.pids()
	p.stop()
	waitFor(t, "the end of all", func() bool {
		return !slices.ContainsFunc(pids, func(pid int) bool { return syscall.Kill(pid, 0) == nil && !zombie(pid) })
	})
}

// zombie reports whether pid has ended and only waits to be waited for.
func zombie(pid int) bool {
	state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(state), ") Z ")
}

func TestEndedTellsWhy(t *testing.T) {
	p := start(t, "echo no such backend >&2; exit 3")
	<-p.done
	got := p.ended()
	want := "the script has ended (exit status 3): no such backend"
	if got == nil || got.Error() != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestLimitDescriptors(t *testing.T) {
	command := limitDescriptors(77, []string{"/bin/sh", "-c", `ulimit -Sn; ulimit -Hn; echo "$0 $1"`, "a b", "c"})
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if want := "77\n77\na b c\n"; err != nil || string(out) != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

func TestResidentBytes(t *testing.T) {
	// The runtime may give back what earlier tests have used, some MiB: what is measured is much more.
	const size, slack = 128 << 20, 32 << 20
	read := func() int64 {
		n, err := residentBytes([]int{os.Getpid()})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := read()
	block, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(block)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	if grown := read() - before; grown < size-slack || grown > size+slack {
		t.Errorf("memory grew by %d bytes, want about %d", grown, size)
	}
}

// The process counted opens what it is told to and nothing else.
func TestDescriptors(t *testing.T) {
	count := func(p *process) int {
		n, err := descriptors([]int{p.cmd.Process.Pid})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	few, more := start(t, "exec sleep 60"), start(t, "exec sleep 60 7</dev/null 8</dev/null")
	waitFor(t, "the opening of two files", func() bool { return count(more) == count(few)+2 })
}

func TestParseRollup(t *testing.T) {
	if got, err := parseRollup([]byte("00400000-7ff [rollup]\nRss:   1234 kB\nPss:  7 kB\n")); got != 1234 || err != nil {
		t.Errorf("got %d, %v, want 1234", got, err)
	}
	if _, err := parseRollup([]byte("Pss:  7 kB\n")); err == nil {
		t.Error("without Rss: got no error")
	}
}

func TestOthers(t *testing.T) {
	before, err := parseStat([]byte("cpu  100 0 100 1000 0 0 0 0 0 0\ncpu0 1 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	after, err := parseStat([]byte("cpu  150 0 120 1020 10 0 0 0 0 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	after.ours = 450 * time.Millisecond // of 700 ms busy in 1 s
	if got := after.othersSince(before); got != 0.25 {
		t.Errorf("got %v, want 0.25", got)
	}
	if _, err := parseStat([]byte("intr 1 2 3")); err == nil {
		t.Error("of another file: got no error")
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var text tail
	text.Write([]byte(strings.Repeat("x", tailSize)))
	text.Write([]byte("the end"))
	if got := text.String(); len(got) != tailSize || !strings.HasSuffix(got, "the end") {
		t.Errorf("got %d bytes that end with %q, want %d that end with the end", len(got), got[len(got)-7:], tailSize)
	}
}
