package integration

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"forebay/l4/l4test"
)

// UNIX sockets serve on either side and on both, with all that a session promises: half-close both ways, and bulk.
func TestUNIXSockets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		client, backend bool // whether that side is a UNIX socket
	}{
		{"client", true, false},
		{"backend", false, true},
		{"both", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			listener, server := "127.0.0.1:0", "127.0.0.1:0"
			if c.client {
				listener = "unix:" + l4test.SocketPath(t)
			}
			if c.backend {
				server = "unix:" + l4test.SocketPath(t)
			}
			b := l4test.ServeAt(t, server, func(p *l4test.Peer) {
				p.ExpectContent(1, 8*mib).ExpectEOF().SendContent(2, 8*mib).CloseWrite()
			})
			f := start(t, unwatched("-l", listener, b.Addr())...) // the script is for one connection
			if c.client {
				f.addrs = []string{listener}
			}
			l4test.Dial(t, f.Addr()).SendContent(1, 8*mib).CloseWrite().ExpectContent(2, 8*mib).ExpectEOF().Close()
			b.AwaitDone(1)
			e := f.Session()
			wantCause(t, e, "client-closed")
			wantBytes(t, e, 8*mib, 8*mib)
			if c.backend && !strings.HasPrefix(e.Backend, "unix:") {
				t.Errorf("the log calls the backend %q", e.Backend)
			}
		})
	}
}

// The socket's file goes when forebay does, and one that a dead process left behind is no hindrance.
func TestUNIXListenerComesAndGoes(t *testing.T) {
	t.Parallel()
	path := l4test.SocketPath(t)
	first := start(t, "-l", "unix:"+path, l4test.Echo(t).Addr())
	first.want = -1
	first.kill()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the killed process left no file to test with: %v", err)
	}
	second := start(t, "-l", "unix:"+path, l4test.Echo(t).Addr())
	l4test.Dial(t, "unix:"+path).Send("x").Expect("x").CloseWrite().ExpectEOF()
	second.Signal(syscall.SIGTERM)
	second.Wait()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the end: %v, want no file", err)
	}
}

// The unit's example: a process that is nobody, has no capability and a strict umask, and is in the group of whom its
// socket is for.
func TestUNIXListenerIsForAGroup(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can be others")
	}
	as := func(user, groups string, command ...string) *exec.Cmd {
		args := []string{"--reuid", user, "--regid", "65533", "--groups", groups, "--inh-caps", "-all", "--bounding-set", "-all", "--no-new-privs"}
		return exec.Command("setpriv", append(args, command...)...)
	}
	if out, err := as("65534", "65532", "test", "-x", program).CombinedOutput(); err != nil {
		t.Skipf("setpriv: %v %s, or the program is not for all", err, out)
	}
	dir, err := os.MkdirTemp("/tmp", "run")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := errors.Join(os.Chown(dir, 65534, 65533), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "forebay.sock")
	args := serveArgs([]string{"-l", "unix:" + path + ",mode=0660,group=65532", l4test.Echo(t).Addr()})
	cmd := as("65534", "65532", append([]string{"sh", "-c", `umask 0027; exec "$@"`, "sh", program}, args...)...)
	cmd.Dir = dir
	startCommand(t, cmd)
	for name, c := range map[string]struct {
		user, groups string
		in           bool
	}{
		"in the group":     {"65531", "65532", true},
		"not in the group": {"65531", "65530", false},
	} {
		ask := as(c.user, c.groups, "socat", "-t", "5", "-", "UNIX-CONNECT:"+path)
		ask.Stdin, ask.Dir = strings.NewReader("hello"), "/"
		out, err := ask.CombinedOutput()
		if (string(out) == "hello") != c.in || !c.in && !strings.Contains(string(out), "Permission denied") {
			t.Errorf("%s: got %q, %v", name, out, err)
		}
	}
}
