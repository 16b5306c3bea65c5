package handoff

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPathListens(t *testing.T) {
	path, s := tempSocket(t)
	l := listen(t, s)
	if l.Address.Path() != path || l.Name != "unix:"+path {
		t.Errorf("got %q at %s, want %s", l.Name, l.Address, path)
	}
	dial(t, path)
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path, s := tempSocket(t)
	listen(t, s).File.Close()
	if err := Probe(s); err != nil {
		t.Errorf("probe: %v", err)
	}
	listen(t, s)
	dial(t, path)
}

func TestSocketWithSessionsLeftIsStale(t *testing.T) {
	path, s := tempSocket(t)
	old, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	dial(t, path)
	session, err := old.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	old.Close()
	listen(t, s)
}

func TestUsedSocketIsRefused(t *testing.T) {
	path, s := tempSocket(t)
	listen(t, s)
	want := "listen on unix:" + path + ": address already in use by this process itself"
	if _, err := Listen(s, Options{}); !errors.Is(err, unix.EADDRINUSE) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := Probe(s); err == nil || err.Error() != want {
		t.Errorf("probe: got %v, want %s", err, want)
	}
	dial(t, path)
}

func TestBoundSocketThatDoesNotListenYetIsRefused(t *testing.T) {
	path, s := tempSocket(t)
	fd, err := bindPath(path)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := Listen(s, Options{}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("got %v, want EADDRINUSE", err)
	}
}

func TestOtherFileIsNeverReplaced(t *testing.T) {
	path, s := tempSocket(t)
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"listen": second(Listen(s, Options{})), "probe": Probe(s)} {
		if !errors.Is(err, errNotSocket) {
			t.Errorf("%s: got %v, want %v", name, err, errNotSocket)
		}
	}
	if got, err := os.ReadFile(path); string(got) != "precious" {
		t.Errorf("the file became %q, %v", got, err)
	}
}

func TestReplacementWaitsForNobody(t *testing.T) {
	path, s := tempSocket(t)
	listen(t, s).File.Close()
	unlock, err := lockDirectory(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(s, Options{}); err == nil || !strings.Contains(err.Error(), "has locked") {
		t.Errorf("got %v, want an error about the lock", err)
	}
	unlock()
	listen(t, s)
}

func TestMissingDirectory(t *testing.T) {
	s := spec(t, "unix:"+filepath.Join(t.TempDir(), "gone", "s"))
	for name, err := range map[string]error{"listen": second(Listen(s, Options{})), "probe": Probe(s)} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "make the directory") {
			t.Errorf("%s: got %v, want one that asks for the directory", name, err)
		}
	}
}

func TestAbstractSocket(t *testing.T) {
	s := spec(t, fmt.Sprintf("unix:@forebay-test-%d", os.Getpid()))
	l := listen(t, s)
	if l.Address.String() != s.String() {
		t.Errorf("bound to %s, want %s", l.Address, s)
	}
	dial(t, l.Address.Path())
	if err := Probe(s); !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), "this process") {
		t.Errorf("got %v, want EADDRINUSE by this process", err)
	}
	l.File.Close()
	if err := Remove(l); err != nil {
		t.Error(err)
	}
}

func TestRemove(t *testing.T) {
	path, s := tempSocket(t)
	l := listen(t, s)
	l.File.Close()
	for range 2 { // the second time it is gone already
		if err := Remove(l, listen(t, spec(t, "127.0.0.1:0"))); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want it gone", err)
	}
}

func TestRemoveLeavesASuccessor(t *testing.T) {
	path, s := tempSocket(t)
	l := listen(t, s)
	l.File.Close()
	listen(t, s)
	if err := Remove(l); err != nil {
		t.Error(err)
	}
	dial(t, path)
}

func dial(t testing.TB, path string) {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
}

func second[T any](_ T, err error) error { return err }

func TestPathsOfOneSocket(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"run/app", "other"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for at, to := range map[string]string{"link": "run/app", "there": "run/app/made"} {
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
	listen(t, spec(t, "unix:run/app/made"))
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"run/app/s", "run/app/s", true},
		{"run/app/s", "run//./app/../app/s", true},
		{"run/app/s", here + "/run/app/s", true},
		{"run/app/s", "link/s", true},
		{"run/s", "link/../s", true},
		{"s", "link/../s", false},
		{"s", "./s", true},
		{"run/app/s", "run/app/t", false},
		{"run/app/s", "other/s", false},
		{"gone/s", "gone/./s", false}, // where nobody can listen
		{"run/app/made", "there", true},
		{"run/app/s", "there", false},
		{"@s", "./@s", false},
		{"@s", "@s", true},
	} {
		if got := samePath(c.a, c.b); got != c.want {
			t.Errorf("%s and %s: got %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
