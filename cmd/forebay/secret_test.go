package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// openDir returns a new directory that everybody may pass through.
func openDir(t *testing.T) string {
	t.Helper()
	return opened(t, t.TempDir())
}

// opened opens dir, a test's own, for everybody.
func opened(t *testing.T, dir string) string {
	t.Helper()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // which testing has made for its owner alone
		t.Fatal(err)
	}
	for dir := dir; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode()&1 == 0 {
			t.Skipf("%s is closed to others", dir)
		}
	}
	return dir
}

// TestKeysThatAllCanReadAreToldOf has the file of each kind of key readable for all, and then not, or in a directory
// that is closed.
func TestKeysThatAllCanReadAreToldOf(t *testing.T) {
	f := furnished(t)
	opened(t, f.dir)
	args := f.args("-l 127.0.0.1:0 127.0.0.1:1 --tls-cert $D/site.pem --tls-key $D/site.key --tls-ticket-keys $D/tickets --tls-ech-keys $D/ech.pem " +
		"--backend-tls --backend-ca $D/ca.pem --backend-cert $D/both.pem")
	open := func(mode os.FileMode) {
		for _, name := range []string{"site.key", "tickets", "ech.pem", "both.pem"} {
			if err := os.Chmod(f.path(name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	count := func() int {
		stdout, stderr, status := invoke(nil, append([]string{"check"}, args...)...)
		if status != exitDone {
			t.Fatalf("got status %d, %s", status, stderr)
		}
		return strings.Count(stdout, "can be read by every user of this machine; chmod o-r takes that away")
	}
	open(0o644)
	if n := count(); n != 4 {
		t.Errorf("told of %d files, want 4", n)
	}
	r := start(t, args...)
	for range 4 {
		r.wait("a key can be read by every user of this machine")
	}
	r.signals <- syscall.SIGTERM
	r.ends(exitDone)
	if err := os.Chmod(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 0 {
		t.Errorf("in a closed directory: told of %d files", n)
	}
	os.Chmod(f.dir, 0o755)
	open(0o640)
	if n := count(); n != 0 {
		t.Errorf("of files that are closed: told of %d", n)
	}
}
