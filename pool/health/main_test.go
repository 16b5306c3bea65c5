package health

import (
	"os"
	"testing"

	"forebay/l4/l4test"
)

// TestMain fails the run if a test has left a goroutine or a descriptor behind.
func TestMain(m *testing.M) { os.Exit(l4test.Main(m)) }
