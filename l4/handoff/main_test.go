package handoff

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
)

// listenVariable makes another process of this test listen there, print where, and wait until its input ends.
const listenVariable = "HANDOFF_TEST_LISTEN"

func TestMain(m *testing.M) {
	if at := os.Getenv(listenVariable); at != "" {
		os.Exit(other(at))
	}
	os.Exit(l4test.Main(m))
}

// other is that process.
func other(at string) int {
	var s Spec
	if err := s.UnmarshalText([]byte(at)); err != nil {
		return 2
	}
	l, err := Listen(s, Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(l.Address)
	io.Copy(io.Discard, os.Stdin)
	return 0 // without a word to the socket's file, as a process that was killed
}

// startOther starts that process and returns where it listens and its id. end ends it.
func startOther(t *testing.T, at string) (bound string, pid int, end func()) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), listenVariable+"="+at)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	bound, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(bound, "\n"), c.Process.Pid, func() { in.Close(); c.Wait() }
}

func TestAddressOfAnotherProcess(t *testing.T) {
	path, _ := tempSocket(t)
	for _, at := range []string{"127.0.0.1:0", "[::1]:0", "unix:" + path, fmt.Sprintf("unix:@forebay-other-%d", os.Getpid())} {
		bound, pid, end := startOther(t, at)
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("listen on %s: address already in use by %s (pid %d)", bound, strings.TrimSpace(string(comm)), pid)
		_, err = Listen(spec(t, bound), Options{})
		if !errors.Is(err, unix.EADDRINUSE) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if taken, ok := errors.AsType[*InUseError](err); !ok || taken.PID != pid || taken.Spec != spec(t, bound) {
			t.Errorf("got %+v, want process %d at %s", taken, pid, bound)
		}
		end()
		listen(t, spec(t, bound)) // what it left behind is in nobody's way
	}
	dial(t, path)
}
