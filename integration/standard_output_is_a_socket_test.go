package integration

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"forebay/l4/l4test"
)

// Standard output is a socket where systemd starts a program; it can't be opened by a path, but written to.
func TestStandardOutputMayBeASocket(t *testing.T) {
	t.Parallel()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := os.NewFile(uintptr(pair[0]), "theirs"), os.NewFile(uintptr(pair[1]), "ours")
	cmd := exec.Command(program, serveArgs([]string{"--log-file", "/dev/stdout", l4test.Echo(t).Addr()})...)
	cmd.Stdout, cmd.Env = theirs, cleanEnvironment()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	t.Cleanup(func() { cmd.Process.Kill(); ours.Close() })
	log := newLines()
	go log.collect(ours)
	var addrs []string
	l4test.Await(t, patience, "forebay listens", func() bool {
		addrs = listening(strconv.Itoa(cmd.Process.Pid))
		return len(addrs) > 0
	})
	for n := 1; n <= 2; n++ {
		l4test.Dial(t, addrs[0]).Send("x").Expect("x").CloseWrite().ExpectEOF()
		wantBytes(t, parse(t, log.AwaitCount(t, n)[n-1]), 1, 1)
		cmd.Process.Signal(syscall.SIGHUP) // which goes on with the same
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("forebay ended with %v, want status 0", err)
	}
}
