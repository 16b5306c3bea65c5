package integration

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"forebay/l4/l4test"
)

// Each slip is answered with one clear line on stderr that names the culprit, with status 2, and nothing is started.
func TestBadInputIsRefused(t *testing.T) {
	t.Parallel()
	taken := l4test.Echo(t).Addr()
	for _, c := range []struct {
		name string
		args []string
		says []string // in any letter case
	}{
		{"no backends", nil, []string{"backend"}},
		{"unknown flag", []string{"--polcy", "first", "127.0.0.1:1"}, []string{"polcy", "--policy"}},
		{"unknown policy", []string{"--policy", "round-robbin", "127.0.0.1:1"}, []string{"round-robbin", "round-robin"}},
		{"no port", []string{"127.0.0.1"}, []string{"127.0.0.1", "port"}},
		{"no address", []string{"one two"}, []string{"one two"}},
		{"port out of range", []string{"127.0.0.1:70000"}, []string{"70000", "65535"}},
		{"port zero", []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}},
		{"empty range", []string{"127.0.0.1:8003-8000"}, []string{"8003-8000"}},
		{"duplicate backend", []string{"127.0.0.1:8000", "127.0.0.1:8000"}, []string{"127.0.0.1:8000"}},
		{"weight zero", []string{"127.0.0.1:8000,weight=0"}, []string{"weight"}},
		{"unknown option", []string{"127.0.0.1:8000,wieght=2"}, []string{"wieght"}},
		{"negative duration", []string{"--idle-timeout", "-5s", "127.0.0.1:8000"}, []string{"idle-timeout", "-5s"}},
		{"duration without a unit", []string{"--idle-timeout", "30", "127.0.0.1:8000"}, []string{"idle-timeout", "30s"}},
		{"tries zero", []string{"--tries", "0", "127.0.0.1:8000"}, []string{"tries"}},
		{"unknown proxy version", []string{"--proxy-out", "v3", "127.0.0.1:8000"}, []string{"v3", "v2"}},
		{"listener without a port", []string{"-l", "localhost", "127.0.0.1:8000"}, []string{"localhost"}},
		{"listener twice", []string{"-l", "127.0.0.1:18181", "-l", "127.0.0.1:18181", "127.0.0.1:8000"}, []string{"127.0.0.1:18181"}},
		{"listener taken", []string{"-l", taken, "127.0.0.1:8000"}, []string{taken, strconv.Itoa(os.Getpid())}},
		{"listener of a foreign address", []string{"-l", "192.0.2.200:8000", "127.0.0.1:8000"}, []string{"192.0.2.200"}},
		{"unresolvable name", []string{"no-such-name.invalid:80"}, []string{"no-such-name.invalid"}},
		{"UNIX path too long", []string{"unix:/" + strings.Repeat("x", 120)}, []string{"107"}},
		{"log file in no directory", []string{"--log-file", "/no/such/directory/log", "127.0.0.1:8000"}, []string{"--log-file", "/no/such/directory"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, exec.Command(program, serveArgs(c.args)...), c.says)
		})
	}
}

// A privileged port without the right is refused with the remedy; only somebody without the right can see that.
func TestPrivilegedPortIsRefused(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(program, serveArgs([]string{"-l", "127.0.0.1:81", "127.0.0.1:8000"})...)
	if os.Geteuid() == 0 {
		cmd = asNobody(t, cmd)
	}
	wantRefusal(t, cmd, []string{"127.0.0.1:81", "1024"})
}

// The checks of so many backends would leave no descriptor for a session, or one. Where nothing is checked they may
// serve.
func TestMoreBackendsThanDescriptorsAreRefused(t *testing.T) {
	few := func(args ...string) *exec.Cmd {
		return exec.Command("sh", append([]string{"-c", `ulimit -n 256 && exec "$0" "$@"`, program}, args...)...)
	}
	for _, command := range []string{"serve", "check"} {
		wantRefusal(t, few(command, "-l", "127.0.0.1:0", "127.0.0.1:20000-20399"), []string{"400 backends", "256", "ulimit", "--check off", " 2048"})
	}
	b := l4test.Echo(t)
	f := startCommand(t, few(serveArgs([]string{"--check", "off", b.Addr(), "127.0.0.1:20000-20399", "--policy", "first"})...))
	l4test.Dial(t, f.Addr()).Send("x").Expect("x").CloseWrite().ExpectEOF()
}

// asNobody makes cmd run as the user nobody, from a place where nobody may read.
func asNobody(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	cmd.Path = filepath.Join(dir, "forebay")
	copyProgram(t, cmd.Path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd
}

// copyProgram copies the binary under test. A file that this process itself writes may still be open in a child that
// another test is just starting, and can't be executed then (execve(2), ETXTBSY).
func copyProgram(t testing.TB, to string) {
	t.Helper()
	if out, err := exec.Command("cp", program, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func wantRefusal(t *testing.T, cmd *exec.Cmd, says []string) {
	t.Helper()
	cmd.Env = cleanEnvironment()
	p := run(t, cmd)
	if got := p.Wait(); got != 2 {
		t.Errorf("exit status %d, want 2", got)
	}
	lines := p.Stderr.All()
	if len(lines) != 1 {
		t.Errorf("stderr has %d lines, want one:\n%s", len(lines), p.Stderr)
	}
	if out := p.Stdout.All(); len(out) > 0 {
		t.Errorf("stdout has %q, want nothing", out)
	}
	for _, want := range says {
		if !strings.Contains(strings.ToLower(p.Stderr.String()), strings.ToLower(want)) {
			t.Errorf("stderr does not name %q: %s", want, p.Stderr)
		}
	}
}

// check tells all faults at once, touches no traffic, and shows the effective settings of what is right.
func TestCheckTellsAll(t *testing.T) {
	t.Parallel()
	b := l4test.Echo(t)
	cmd := exec.Command(program, "check", "-l", "127.0.0.1:0", "--policy", "frist", "--idle-timeout", "5", b.Addr()+",weight=0")
	cmd.Env = cleanEnvironment()
	bad := run(t, cmd)
	if got := bad.Wait(); got != 2 {
		t.Errorf("exit status %d of a check with faults, want 2", got)
	}
	all := bad.Stderr.String() + bad.Stdout.String()
	for _, want := range []string{"frist", "idle-timeout", "weight"} {
		if !strings.Contains(all, want) {
			t.Errorf("check does not tell of %s:\n%s", want, all)
		}
	}
	cmd = exec.Command(program, "check", "-l", "127.0.0.1:0", b.Addr())
	cmd.Env = cleanEnvironment()
	good := run(t, cmd)
	if got := good.Wait(); got != 0 {
		t.Errorf("exit status %d of a check without faults, want 0:\n%s", got, good.Stderr)
	}
	for _, want := range []string{b.Addr(), "round-robin", "5s", "1h"} {
		if !strings.Contains(good.Stdout.String(), want) {
			t.Errorf("check does not show %s:\n%s", want, good.Stdout)
		}
	}
	if b.Accepted() > 0 {
		t.Errorf("check connected to the backend")
	}
}

// demo is the whole thing with nothing to install.
func TestDemoShowsBackends(t *testing.T) {
	for _, port := range []string{"8080", "8000", "8001", "8002", "8003"} {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Skipf("port %s of the demo is in use here", port)
		}
		l.Close()
	}
	f := startCommand(t, exec.Command(program, "demo"))
	l4test.Await(t, patience, "five listeners", func() bool { return len(listening(f.pid())) == 5 })
	seen := map[string]bool{}
	for range 8 {
		page := string(l4test.Dial(t, "127.0.0.1:8080").Send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ReceiveAll())
		for _, port := range []string{"8000", "8001", "8002", "8003"} {
			if strings.HasPrefix(page, "HTTP/1.1 200") && strings.Contains(page, port) {
				seen[port] = true
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("eight pages show the backends %v, want all four", seen)
	}
}
