package l4test

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// pollEvery is how often a state that nothing tells of is looked at.
const pollEvery = 2 * time.Millisecond

// pause lets pollEvery pass.
func pause() { <-time.After(pollEvery) }

// Await returns as soon as ok does with true, and fails the test after limit, saying what was awaited. It is for what
// only looking can tell: another process's descriptors, a kernel queue.
func Await(tb testing.TB, limit time.Duration, what string, ok func() bool) {
	tb.Helper()
	if !Within(limit, ok) {
		tb.Fatalf("after %v still not: %s", limit, what)
	}
}

// Within reports whether ok does, now or before limit is over.
func Within(limit time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(limit); !ok(); pause() {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// Main runs a package's tests and returns the status to exit with: that of the tests, or 1 where they left goroutines
// or descriptors behind, which it names on stderr. It does not look while fuzzing, which keeps things of its own.
//
//	func TestMain(m *testing.M) { os.Exit(l4test.Main(m)) }
func Main(m *testing.M) int {
	flag.Parse()
	if f := flag.Lookup("test.fuzz"); f != nil && f.Value.String() != "" {
		return m.Run()
	}
	if err := makeHosts(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return hostsMissing
	}
	before := holdings()
	code := m.Run()
	if code == 0 && !Within(stepLimit, func() bool { return holdings().within(before) }) {
		fmt.Fprintf(os.Stderr, "the tests left something behind: %v before, %v after\n%s", before, holdings(), stacks())
		return 1
	}
	return code
}

// CheckLeaks fails the test if it ends with more goroutines or descriptors than there are now. Other tests must not run
// beside it.
func CheckLeaks(tb testing.TB) {
	tb.Helper()
	before := holdings()
	tb.Cleanup(func() {
		if !Within(stepLimit, func() bool { return holdings().within(before) }) {
			tb.Errorf("the test left something behind: %v before, %v after\n%s", before, holdings(), stacks())
		}
	})
}

// A holding is what a process can forget to give back.
type holding struct{ goroutines, descriptors int }

func (h holding) String() string {
	return fmt.Sprintf("%d goroutines and %d descriptors", h.goroutines, h.descriptors)
}

func (h holding) within(limit holding) bool {
	return h.goroutines <= limit.goroutines && h.descriptors <= limit.descriptors
}

// holdings counts. The runtime's own epoll and event descriptors come with the first use of its poller, and the
// goroutine that takes signals with the first one that anybody asks for, as fuzzing does; they stay for good, and so
// are made to exist first.
func holdings() holding {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGWINCH)
	signal.Stop(signals)
	if r, w, err := os.Pipe(); err == nil {
		r.SetReadDeadline(time.Time{})
		r.Close()
		w.Close()
	}
	return holding{goroutines: runtime.NumGoroutine(), descriptors: Descriptors("self")}
}

// Descriptors returns how many descriptors a process holds, by its id or "self", and -1 where there is no such process.
func Descriptors(pid string) int {
	entries, err := os.ReadDir("/proc/" + pid + "/fd")
	if err != nil {
		return -1
	}
	n := len(entries)
	if pid == "self" {
		n-- // the directory itself
	}
	return n
}

func stacks() []byte {
	b := make([]byte, 1<<20)
	return b[:runtime.Stack(b, true)]
}
