package l4test

import (
	"testing"
	"time"
)

// Pace lets gap pass, in a test that moves something often enough for a limit not to strike. It skips the test where
// the machine stood still for so long that the limit may have struck nevertheless: that would say nothing about what is
// tested.
func Pace(tb testing.TB, gap, limit time.Duration) {
	tb.Helper()
	begun := time.Now()
	<-time.After(gap)
	if took := time.Since(begun); took > limit*3/4 {
		tb.Skipf("the machine stood still: %v took %v", gap, took)
	}
}
