package pool

import (
	"fmt"
	"os"
	"runtime"
	"testing"
)

// TestMain fails the run if a test has left a goroutine behind.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	for range 1000 { // one that has just been waited for may not be gone yet
		if runtime.NumGoroutine() <= before {
			os.Exit(code)
		}
		runtime.Gosched()
	}
	fmt.Fprintf(os.Stderr, "%d goroutines before, %d after\n", before, runtime.NumGoroutine())
	os.Exit(1)
}
