package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// need returns the path of a program. Without it the test is skipped, or fails where CI=true says that nothing may be
// missing.
func need(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, pattern := range []string{"/usr/sbin/" + name, "/usr/lib/postgresql/*/bin/" + name} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed; make install-test-peers", name)
	}
	t.Skipf("%s is not installed; make install-test-peers", name)
	return ""
}

// serve starts a server and returns when it accepts at addr. The server is killed at the end of the test.
func serve(t testing.TB, addr string, cmd *exec.Cmd) *process {
	t.Helper()
	p := run(t, cmd)
	l4test.Await(t, patience, cmd.Args[0]+" accepts", func() bool {
		if !p.Running() {
			t.Fatalf("%q ended with status %d:\n%s%s", cmd.Args, p.status, p.Stdout, p.Stderr)
		}
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return p
}

// output runs a client to its end and returns what it said; a status other than 0 fails the test.
func output(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	return run(t, cmd).Output(t)
}

// Output waits for the end of a client and returns what it said; a status other than 0 fails the test.
func (p *process) Output(t testing.TB) string {
	t.Helper()
	p.Await(t, 2*time.Minute)
	text := p.Stdout.String() + "\n" + p.Stderr.String()
	if p.status != 0 {
		t.Fatalf("%q ended with status %d:\n%s", p.cmd.Args, p.status, text)
	}
	return text
}

// Await waits for the process's end, whatever its status.
func (p *process) Await(t testing.TB, limit time.Duration) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit):
		t.Fatalf("%q goes on for ever:\n%s%s", p.cmd.Args, p.Stdout, p.Stderr)
	}
}

// freePorts returns the first of n successive free ports, 8000 where that is.
func freePorts(t testing.TB, n int) int {
	t.Helper()
	for first := 8000; first < 20000; first += 10 {
		if allFree(first, n) {
			return first
		}
	}
	t.Fatalf("no %d successive ports are free", n)
	return 0
}

func allFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", local(port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// freePort returns a port of 127.0.0.1 for a server to listen at. Nobody else gets it while the test runs.
func freePort(t testing.TB) int {
	t.Helper()
	return int(netip.MustParseAddrPort(l4test.Reserve(t, "127.0.0.1:0")).Port())
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// write puts a file into a new directory, readable for all, and returns its path.
func write(t testing.TB, name, text string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "peer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// getRequest asks for / and nothing more.
const getRequest = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"

// get asks for / at addr and returns the answer's body and the address it was asked from.
func get(t testing.TB, addr string) (body, from string) {
	t.Helper()
	return getFrom(t, l4test.Dial(t, addr))
}

// getFrom is get for a connection of any kind.
func getFrom(t testing.TB, p *l4test.Peer) (body, from string) {
	t.Helper()
	answer := p.Send(getRequest).ReceiveAll()
	p.Close()
	return bodyOf(t, answer), p.Addr().String()
}

// bodyOf returns the body of an answer, which must be whole and a good one.
func bodyOf(t testing.TB, answer []byte) string {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("got %q and %v, want 200", answer, err)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("got %q and %v, want all of it", answer, err)
	}
	return strings.TrimSpace(string(text))
}

// ownGroup makes a server that forks get its signals as a whole.
func ownGroup(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}
