package health

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"forebay/l4/l4test"
)

// inherit has this process inherit orphans as PID 1 does, and collect them, until the test ends.
func inherit(t *testing.T) *Children {
	t.Helper()
	setSubreaper(t, 1)
	c, ctx := NewChildren(), t.Context()
	ended := make(chan struct{})
	go func() { c.Collect(ctx); close(ended) }()
	t.Cleanup(func() { <-ended; setSubreaper(t, 0) })
	return c
}

func setSubreaper(t *testing.T, to uintptr) {
	const setChildSubreaper = 36 // prctl(2)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, to, 0); errno != 0 {
		t.Skip(errno)
	}
}

// zombies lists this process's children that have ended and were not collected.
func zombies() (all []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		stat, _ := os.ReadFile(file)
		if _, rest, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(rest, fmt.Sprintf("Z %d ", os.Getpid())) {
			all = append(all, string(stat))
		}
	}
	return all
}

// Whatever a check leaves behind is collected when it ends, in its group or out of it, sooner or later.
func TestWhatCommandsLeaveBehindIsCollected(t *testing.T) {
	children := inherit(t)
	dir := t.TempDir()
	for i, line := range []string{
		"sleep 1000 & echo $! > %s",       // killed with the program's group
		"sleep 1000 & echo $! > %s; wait", // the same, as the time is up
		"(setsid sh -c 'echo $$ > %[1]s; sleep 0.1' >/dev/null 2>&1 &); until test -s %[1]s; do sleep 0.01; done", // out of its group
		"(setsid sh -c 'echo $$ > %[1]s; kill -9 $$' >/dev/null 2>&1 &); until test -s %[1]s; do sleep 0.01; done",
	} {
		file := filepath.Join(dir, fmt.Sprint(i))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan Result)
		go func() { ended <- Command{fmt.Sprintf(line, file), children}.Probe(ctx, Target{}) }()
		pid := awaitPID(t, file)
		if i == 1 {
			cancel()
		}
		<-ended
		cancel()
		l4test.Await(t, patience, line+": its child is gone", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
	}
	l4test.Await(t, patience, "no zombie is left", func() bool { return len(zombies()) == 0 })
}

// How a program itself ended is for its Command to know, however many end at once, with orphans between them.
func TestCommandsAreCollectedByThemselves(t *testing.T) {
	children := inherit(t)
	var running sync.WaitGroup
	for i := range 100 {
		running.Go(func() {
			r := Command{fmt.Sprintf("(setsid true >/dev/null 2>&1 &) ; exit %d", i%3), children}.Probe(t.Context(), Target{})
			if want := fmt.Sprintf("exit status %d", i%3); (r.Err == nil) != (i%3 == 0) || r.Err != nil && !strings.Contains(r.Err.Error(), want) {
				t.Errorf("got %v, want %s", r.Err, want)
			}
		})
	}
	running.Wait()
	l4test.Await(t, patience, "no zombie is left", func() bool { return len(zombies()) == 0 })
}
