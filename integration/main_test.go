package integration

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"forebay/l4/l4test"
)

const (
	binaryVar = "BINARY_UNDER_TEST" // the binary to test; without it one is built
	raceVar   = "UNDER_RACE"        // not empty: that binary runs under the race detector, so that nothing is measured
	roleVar   = "INTEGRATION_ROLE"  // set for this test binary when it plays a backend in a process of its own
)

// program is the forebay under test. TestMain sets it, and nothing else does.
var program string

func TestMain(m *testing.M) {
	if err := errors.Join(l4test.BecomeRefused(), l4test.BecomeBusy()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if os.Getenv(roleVar) == "echo" {
		os.Exit(echoUntilEOF())
	}
	dir, err := os.MkdirTemp("", "forebay")
	if err == nil {
		program, err = locate(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := l4test.Main(m)
	os.RemoveAll(dir)
	os.Exit(status)
}

// locate returns the binary that the environment names, or builds one in dir.
func locate(dir string) (string, error) {
	if b := os.Getenv(binaryVar); b != "" {
		return filepath.Abs(b)
	}
	b := filepath.Join(dir, "forebay")
	build := exec.Command("go", "build", "-o", b, "../cmd/forebay")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	return b, build.Run()
}

// measures skips a test that would measure the race detector.
func measures(t *testing.T) {
	t.Helper()
	if os.Getenv(raceVar) != "" {
		t.Skip("measures, and the binary runs under the race detector")
	}
}

// echoElsewhere starts an echo backend in a process of its own, for tests that need more descriptors than one process
// may have, and returns its address.
func echoElsewhere(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"=echo")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return addr[:len(addr)-1]
}

// echoUntilEOF is what that process does: it prints its address, and ends with its standard input.
func echoUntilEOF() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(l.Addr())
	go echoAll(l)
	io.Copy(io.Discard, os.Stdin)
	return 0
}

func echoAll(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			io.CopyBuffer(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}, make([]byte, 2<<10))
		}()
	}
}
