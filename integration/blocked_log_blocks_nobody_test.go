package integration

import (
	"os"
	"os/exec"
	"strconv"
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
