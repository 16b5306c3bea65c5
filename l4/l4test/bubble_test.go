package l4test

import (
	"runtime"
	"testing"
)

func TestBubblesKeepToOneProcessor(t *testing.T) {
	before := runtime.GOMAXPROCS(2)
	defer runtime.GOMAXPROCS(before)
	bubbles.enter() // one that goes on beside the next
	Bubble(t, func(t *testing.T) {
		if n := runtime.GOMAXPROCS(0); n != 1 {
			t.Errorf("in a bubble: got %d processors, want 1", n)
		}
	})
	if n := runtime.GOMAXPROCS(0); n != 1 {
		t.Errorf("beside another: got %d processors, want 1", n)
	}
	bubbles.leave()
	if n := runtime.GOMAXPROCS(0); n != 2 {
		t.Errorf("after both: got %d processors, want 2", n)
	}
}
