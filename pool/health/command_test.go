package health

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"forebay/l4/l4test"
)

func TestCommand(t *testing.T) {
	for line, down := range map[string]string{
		"true":                          "",
		"exit 3":                        "exit status 3, want exit status 0",
		"echo one; echo two >&2; false": `want exit status 0: "two"`,
		"kill -TERM $$":                 "signal: terminated",
		"/nowhere/check":                "exit status 127",
		"read line; test -z $line":      "",
		`test "$FOREBAY_CHECK_ADDRESS" = 192.0.2.1:80 && test $FOREBAY_CHECK_HOST:$FOREBAY_CHECK_PORT = 192.0.2.1:80 && test $FOREBAY_CHECK_NAME = a.example`: "",
	} {
		t.Run(line, func(t *testing.T) {
			judge(t, Command{Line: line}.Probe(t.Context(), Target{"tcp", "192.0.2.1:80", "a.example"}), down)
		})
	}
	judge(t, Command{Line: `test "$FOREBAY_CHECK_ADDRESS$FOREBAY_CHECK_HOST$FOREBAY_CHECK_PORT" = /run/s`}.Probe(t.Context(), target("unix:/run/s")), "")
}

func TestCommandTranscript(t *testing.T) {
	if r := (Command{Line: "printf 'a\\000b\\n'"}).Probe(t.Context(), Target{}); r.Transcript != `wrote "a\x00b\n"` {
		t.Errorf("got %s", r.Transcript)
	}
	r := Command{Line: "head -c 100000 /dev/zero"}.Probe(t.Context(), Target{})
	wantUp(t, r)
	if len(r.Transcript) > maxTranscript {
		t.Errorf("got %d bytes, want at most %d", len(r.Transcript), maxTranscript)
	}
}

// What is left free for checks is what they need.
func TestDescriptors(t *testing.T) {
	for check, want := range map[string]int{"off": 0, "tcp": 1, "redis:6380": 1, "tcp:db.example:80": 2, "exec:true": 6} {
		if got := mustParse(t, check).Descriptors(); got != want {
			t.Errorf("%s: got %d, want %d", check, got, want)
		}
	}
	const n = 20
	before := descriptors(t)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range n {
		running.Go(func() { Command{Line: "sleep 1000"}.Probe(ctx, Target{}) })
	}
	l4test.Await(t, patience, "all programs run", func() bool {
		used := descriptors(t) - before
		if most := n * mustParse(t, "exec:sleep 1000").Descriptors(); used > most {
			t.Errorf("%d checks use %d descriptors, want %d at most", n, used, most)
		}
		return used >= 2*n // the end of a pipe and the process
	})
	cancel()
	running.Wait()
}

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(open)
}

// The time is up: the program and what it has started are killed.
func TestCommandIsKilledAsAGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan Result)
	go func() { ended <- Command{Line: "sleep 1000 & echo $! > " + file + "; wait"}.Probe(ctx, Target{}) }()
	child := awaitPID(t, file)
	cancel()
	if r := <-ended; !OurOwn(r.Err) {
		t.Errorf("got %v, want that it was cancelled", r.Err)
	}
	awaitGone(t, child)
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	wantDown(t, Command{Line: "sleep 1000"}.Probe(ctx, Target{}), "no answer in time")
}

// What a program leaves behind neither delays the verdict nor stays.
func TestCommandLeavesNobodyBehind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	for _, line := range []string{"sleep 1000 & echo $! > " + file, "sleep 1000 >/dev/null 2>&1 & echo $! > " + file} {
		r := Command{Line: line}.Probe(t.Context(), Target{})
		wantUp(t, r)
		if r.Took > patience/2 {
			t.Errorf("took %v, want not to wait for what was left behind", r.Took)
		}
		awaitGone(t, awaitPID(t, file))
	}
}

func awaitPID(t *testing.T, file string) (pid int) {
	t.Helper()
	l4test.Await(t, patience, "the program has written its child's number", func() bool {
		text, _ := os.ReadFile(file)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return strings.HasSuffix(string(text), "\n")
	})
	return pid
}

// awaitGone waits until pid has ended: gone, or not collected yet by whoever inherited it.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	l4test.Await(t, patience, "the child has ended", func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err != nil || syscall.Kill(pid, 0) != nil || strings.Contains(string(stat), ") Z ")
	})
}
