package l4

import (
	"os"
	"testing"
	"time"
)

func TestParseIdle(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"cpu  1 2 3 400 5 6 7 8 9 10\ncpu0 1 2 3 4\n": 4 * time.Second,
		"cpu 1 2 3 0": 0,
	} {
		if got, ok := parseIdle([]byte(text)); !ok || got != want {
			t.Errorf("%q: got %v (%v), want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "cpu", "cpu 1 2 3", "cpu 1 2 3 x", "cpu0 1 2 3 4", "intr 1 2 3 4 5"} {
		if got, ok := parseIdle([]byte(text)); ok {
			t.Errorf("%q: got %v, want a refusal", text, got)
		}
	}
}

func FuzzParseIdle(f *testing.F) {
	f.Add([]byte("cpu  1 2 3 400 5 6 7 8 9 10\ncpu0 1 2 3 4\n"))
	f.Fuzz(func(t *testing.T, text []byte) { parseIdle(text) })
}

func TestKernelTellsIdleTime(t *testing.T) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Skip(err)
	}
	if idle, ok := parseIdle(text); !ok || idle <= 0 {
		t.Errorf("got %v (%v), want a time", idle, ok)
	}
}

// A busy loop gives work away where a processor is idle, and only there; where none was, it looks again a second later.
func TestBusyLoopWantsAnIdleProcessor(t *testing.T) {
	var idle time.Duration
	s := &Server{serverState: serverState{idle: func() time.Duration { return idle }}}
	l := &loop{server: s}
	window := func(idleInIt time.Duration) int {
		l.now += loadWindow
		idle += idleInIt
		l.overloaded(l.now - loadWindow)
		return l.load.over
	}
	const spilled = 0 // with no loops there is none to be given anything
	for _, step := range []struct {
		idle time.Duration
		over int
	}{{0, 1}, {24 * time.Millisecond, -retry}, {100 * time.Millisecond, 1 - retry}} {
		if got := window(step.idle); got != step.over {
			t.Fatalf("after a busy window with %v idle: %d in a row, want %d", step.idle, got, step.over)
		}
	}
	for l.load.over < 1 {
		window(100 * time.Millisecond)
	}
	if got := window(25 * time.Millisecond); got != spilled {
		t.Errorf("with a quarter of a processor idle: %d in a row, want that half of the work was given away", got)
	}
}
