package integration

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"forebay/l4/l4test"
)

// UNIX sockets serve on either side and on both, with all that a session promises: half-close both ways, and bulk.
func TestUNIXSockets(t *testing.T) {
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
