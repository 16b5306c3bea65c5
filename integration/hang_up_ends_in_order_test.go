package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
)

// onTerminal starts forebay in the foreground of a terminal of its own, by a shell's command line, and returns when it
// listens. Closing the terminal hangs up.
func onTerminal(t *testing.T, shell string, args ...string) (cmd *exec.Cmd, addr string, hangUp func()) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal can be had here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	cmd = exec.Command("sh", append([]string{"-c", shell, program}, serveArgs(args)...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = cleanEnvironment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	l4test.Await(t, patience, "forebay listens", func() bool {
		addrs := listening(strconv.Itoa(cmd.Process.Pid))
		if len(addrs) > 0 {
			addr = addrs[0]
		}
		return len(addrs) > 0
	})
	return cmd, addr, func() { master.Close() }
}

// The terminal is closed, as a window or a connection by ssh is: forebay takes no new clients, and ends once the old
// ones are done.
func TestHangUpEndsInOrder(t *testing.T) {
	t.Parallel()
	cmd, addr, hangUp := onTerminal(t, `exec "$0" "$@"`, l4test.Echo(t).Addr())
	client := l4test.Dial(t, addr).Send("x").Expect("x")
	hangUp()
	l4test.Await(t, patience, "forebay refuses new clients", func() bool { return len(listening(strconv.Itoa(cmd.Process.Pid))) == 0 })
	client.Send("y").Expect("y").CloseWrite().ExpectEOF()
	if err := cmd.Wait(); err != nil {
		t.Errorf("forebay ended with %v, want status 0", err)
	}
}

// Who starts it by nohup(1) does not want it to end with the terminal. Then, and while the terminal is there, SIGHUP is
// what it is for a daemon.
func TestSIGHUPIsNoHangUp(t *testing.T) {
	t.Parallel()
	for name, shell := range map[string]string{"nohup": `trap '' HUP; exec "$0" "$@"`, "terminal": `exec "$0" "$@"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := filepath.Join(t.TempDir(), "log")
			cmd, addr, hangUp := onTerminal(t, shell, "--log-file", log, l4test.Echo(t).Addr())
			if name == "nohup" {
				hangUp()
			}
			if err := os.Remove(log); err != nil {
				t.Fatal(err)
			}
			cmd.Process.Signal(syscall.SIGHUP)
			l4test.Await(t, patience, "the log file is opened anew", func() bool { return exists(log) })
			l4test.Dial(t, addr).Send("x").Expect("x").CloseWrite().ExpectEOF()
			cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil {
				t.Errorf("forebay ended with %v, want status 0", err)
			}
		})
	}
}

// logrotate sends SIGHUP, or SIGUSR1 where its file was written for nginx.
func TestLogFileIsOpenedAnew(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			log := filepath.Join(t.TempDir(), "log")
			f := start(t, "--log-file", log, l4test.Echo(t).Addr())
			if err := os.Rename(log, log+".1"); err != nil {
				t.Fatal(err)
			}
			f.Signal(sig)
			l4test.Await(t, patience, "the log file is opened anew", func() bool { return exists(log) })
			l4test.Dial(t, f.Addr()).Send("x").Expect("x").CloseWrite().ExpectEOF()
			l4test.Await(t, patience, "the session stands in the new file", func() bool {
				text, err := os.ReadFile(log)
				return err == nil && len(text) > 0
			})
		})
	}
}
