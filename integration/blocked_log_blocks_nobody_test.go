package integration

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"forebay/l4/l4test"
)

// Nobody reads the access log, and the pipe fills: sessions go on as before, and forebay still ends when it is told to.
func TestBlockedLogBlocksNobody(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(program, serveArgs([]string{l4test.Echo(t).Addr()})...)
	cmd.Stdout = w
	cmd.Env = cleanEnvironment()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var addrs []string
	l4test.Await(t, patience, "forebay listens", func() bool {
		addrs = listening(strconv.Itoa(cmd.Process.Pid))
		return len(addrs) > 0
	})
	const enough = 500 // lines of some 500 bytes each, for a pipe of 64 KiB
	for range enough {
		l4test.Dial(t, addrs[0]).Send("x").Expect("x").Reset()
	}
	cmd.Process.Signal(os.Interrupt)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	l4test.Await(t, patience, "forebay ends", func() bool { return len(ended) > 0 })
	if err := <-ended; err != nil {
		t.Errorf("forebay ended with %v, want status 0", err)
	}
}

// Nobody reads standard error, and it is full: a signal is obeyed all the same.
func TestBlockedMessagesBlockNobody(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(program, serveArgs([]string{"--log", "off", l4test.Echo(t).Addr()})...)
	cmd.Stderr = w
	cmd.Env = cleanEnvironment()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var addrs []string
	l4test.Await(t, patience, "forebay listens", func() bool {
		addrs = listening(strconv.Itoa(cmd.Process.Pid))
		return len(addrs) > 0
	})
	fill(t, w)
	w.Close()
	cmd.Process.Signal(syscall.SIGHUP)
	l4test.Dial(t, addrs[0]).Send("x").Expect("x").Close()
	cmd.Process.Signal(os.Interrupt)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	l4test.Await(t, patience, "forebay ends", func() bool { return len(ended) > 0 })
	if err := <-ended; err != nil {
		t.Errorf("forebay ended with %v, want status 0", err)
	}
}

// fill writes to a pipe that nobody reads until it takes no more. Meanwhile it does not block those who share it
// either.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	fd := int(w.Fd())
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := syscall.Write(fd, []byte("x")); err == syscall.EAGAIN {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
}
