package l4test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Some faults do not show over loopback, where the handshake is carried out inside connect(2) and each event comes by
// itself. So a test may ask for a second host: a network namespace (network_namespaces(7)) that a veth(4) pair connects
// with this process's own. Both are made for a process that runs some tests and nothing else, and end with it; the
// machine's network is left alone.

// The addresses of the two hosts.
const (
	Here  = "10.88.0.1" // this process's own
	There = "10.88.0.2" // the other one's: ServeAt and Reserve go there for it
)

// hostsVar tells a test process that it is to make two hosts, and where a Backend stands that was not told: here or
// there.
const hostsVar = "L4TEST_HOSTS"

// hostsMissing is the exit status of a process that could not make them.
const hostsMissing = 3

// there is the other host's namespace, a descriptor of it, and -1 where there is none. Main sets it, and nothing else
// does.
var there = -1

// TwoHosts reports whether there are two hosts. Where there are not, it runs the calling test once more where there
// are, and takes its outcome over:
//
//	if !l4test.TwoHosts(t) {
//		return
//	}
//
// It skips the test where namespaces may not be made, and fails it there if CI=true says that nothing may be missing.
func TwoHosts(t *testing.T) bool {
	t.Helper()
	if there < 0 {
		runOnTwoHosts(t, "here", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	}
	return there >= 0
}

// AgainOnTwoHosts runs the tests of this package that match pattern once more, and has their Backends stand on the
// other host. It skips as TwoHosts.
func AgainOnTwoHosts(t *testing.T, pattern string) {
	t.Helper()
	if there >= 0 {
		t.Skip("this runs on two hosts already")
	}
	runOnTwoHosts(t, "there", pattern)
}

// runOnTwoHosts runs tests of this binary in a process that has two hosts.
func runOnTwoHosts(t *testing.T, backends, pattern string) {
	t.Helper()
	args := []string{"-test.v", "-test.run", pattern, "-test.parallel", "4"}
	if at, ok := t.Deadline(); ok {
		args = append(args, "-test.timeout", (time.Until(at) * 9 / 10).String())
	}
	output, err := runUnshared(t, hostsVar+"="+backends, args)
	var failed *exec.ExitError
	switch errors.As(err, &failed); {
	case err != nil && (failed == nil || failed.ExitCode() == hostsMissing):
		lackHosts(t, fmt.Errorf("%w\n%s", err, output))
	case err != nil && testing.Verbose():
		t.Fatalf("on two hosts: %v", err)
	case err != nil:
		t.Fatalf("on two hosts: %v\n%s", err, output)
	case bytes.Contains(output, []byte("--- SKIP")) && !bytes.Contains(output, []byte("--- PASS")):
		t.Skipf("on two hosts:\n%s", output)
	case !bytes.Contains(output, []byte("--- PASS")):
		t.Errorf("on two hosts no test matches %q and passes:\n%s", pattern, output)
	}
}

// runUnshared runs this binary in a network namespace of its own, and in a user namespace where it takes that to make
// one.
func runUnshared(t *testing.T, env string, args []string) ([]byte, error) {
	var output bytes.Buffer
	var err error
	for _, more := range []uintptr{0, unix.CLONE_NEWUSER} {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), env)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | more}
		if more != 0 {
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
		cmd.Stdout = &output
		if testing.Verbose() {
			cmd.Stdout = io.MultiWriter(&output, t.Output())
		}
		cmd.Stderr = cmd.Stdout
		if err = cmd.Run(); err == nil || cmd.ProcessState != nil {
			break
		}
	}
	return output.Bytes(), err
}

func lackHosts(t *testing.T, why error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("network namespaces can't be made here: %v", why)
	}
	t.Skipf("network namespaces can't be made here: %v", why)
}

// makeHosts makes the other host, in a process that was started to have one.
func makeHosts() error {
	if os.Getenv(hostsVar) == "" {
		return nil
	}
	fd, err := newNamespace()
	if err != nil {
		return err
	}
	there = fd
	for _, args := range []string{
		"link set lo up",
		"link add near type veth peer name far netns " + fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd),
		"addr add " + Here + "/24 dev near",
		"link set near up",
	} {
		if err := ip(args); err != nil {
			return err
		}
	}
	for _, args := range []string{"link set lo up", "addr add " + There + "/24 dev far", "link set far up"} {
		if err := onOtherHost(func() error { return ip(args) }); err != nil {
			return err
		}
	}
	return nil
}

// ip calls ip(8), in the namespace of the thread that calls.
func ip(args string) error {
	if output, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, output)
	}
	return nil
}

// newNamespace makes a network namespace and returns a descriptor of it.
func newNamespace() (fd int, err error) {
	err = onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// onOtherHost calls f on a thread whose network is the other host's. A socket that is made there stays there.
func onOtherHost(f func() error) error {
	return (&Network{there}).do(f)
}

// onOwnThread calls f on a thread that ends with it, and so may change what threads have of their own.
func onOwnThread(f func() error) (err error) {
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread()
		err = f()
	})
	done.Wait()
	return err
}

// anywhere is where a Backend listens that was not told where.
func anywhere() string {
	if os.Getenv(hostsVar) == "there" {
		return There + ":0"
	}
	return "127.0.0.1:0"
}

// isThere reports whether an address is the other host's.
func isThere(addr string) bool {
	at, err := netip.ParseAddrPort(addr)
	return err == nil && at.Addr() == netip.MustParseAddr(There)
}

// whereItIs calls f where addr is one of the host's.
func whereItIs(addr string, f func() error) error {
	if isThere(addr) {
		return onOtherHost(f)
	}
	return f()
}
