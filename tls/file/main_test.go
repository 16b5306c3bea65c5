package file

import (
	"flag"
	"os"
	"testing"

	"forebay/l4/l4test"
)

// TestMain fails the run if a test has left a goroutine or a descriptor behind. Fuzzing has some of its own at work.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(m.Run())
	}
	os.Exit(l4test.Main(m))
}

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
