package integration

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"forebay/l4/l4test"
)

// Who may connect follows the files: by themselves, at once on SIGHUP, and not when one has a fault. Sessions that are
// open stay.
func TestAccessListsChange(t *testing.T) {
	t.Parallel()
	list := filepath.Join(t.TempDir(), "deny")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(list+".new", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(list+".new", list); err != nil {
			t.Fatal(err)
		}
	}
	put("192.0.2.0/24 # one we know\n")
	f := start(t, "--deny-file", list, l4test.Echo(t).Addr())
	f.Allow("can't be used")
	open := l4test.Dial(t, f.Addr()).Send("x").Expect("x")

	put("127.0.0.0/8\n")
	f.Stderr.AwaitMatch(t, "a file has changed and is in use")
	l4test.Dial(t, f.Addr()).ExpectReset()
	wantCause(t, f.Session(), "denied")
	open.Send("x").Expect("x")

	put("127.0.0.0/800\n")
	f.Stderr.AwaitMatch(t, "can't be used.*line 1")
	l4test.Dial(t, f.Addr()).ExpectReset()

	put("127.0.0.2\n")
	f.Signal(syscall.SIGHUP)
	f.Stderr.AwaitMatch(t, "no log file to open anew") // which comes after the lists
	l4test.Dial(t, f.Addr()).Send("x").Expect("x").CloseWrite().ExpectEOF()
	open.CloseWrite().ExpectEOF()
}
