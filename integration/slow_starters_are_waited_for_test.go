package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"forebay/l4/l4test"
)

// A server that was killed is started again, listens at once and is ready only much later, as one that has much to
// load. Its kernel takes connections all the while. A check that wants an answer waits for it, and no client has to.
func TestSlowStartersAreWaitedFor(t *testing.T) {
	t.Parallel()
	const steady = "HTTP/1.1 /" // what that server answers
	port := freePort(t)
	first := serve(t, local(port), slowGunicorn(t, port, os.DevNull))
	f := start(t, "--policy", "first", "--check", "http:///", "--check-interval", "200ms", "--check-timeout", "1s", "--initial", "up", "--fall", "10", "--rise", "1",
		"--eject-waiting", "0", "--slow-start", "0", local(port), httpServer(t))
	f.Allow("a backend is (down|ejected)")
	get(t, f.Addr())
	first.Signal(syscall.SIGKILL)
	first.Wait()
	awaitAway(t, f, local(port))

	ready := filepath.Join(t.TempDir(), "ready")
	serve(t, local(port), slowGunicorn(t, port, ready))
	asked := waiting(t, local(port))
	l4test.Await(t, patience, "a check asks, and another after it", func() bool { return waiting(t, local(port)) >= asked+2 })
	for range 20 {
		if body, _ := get(t, f.Addr()); body != steady {
			t.Errorf("a client was answered %q, want the other server's answer", body)
		}
	}
	if err := os.WriteFile(ready, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	awaitUp(t, f, local(port))
	if body, _ := get(t, f.Addr()); body == steady {
		t.Error("the server is up, and another serves in its place")
	}
}

// slowGunicorn listens at once, and begins to serve when the file ready is there.
func slowGunicorn(t testing.TB, port int, ready string) *exec.Cmd {
	cmd := gunicorn(t, port)
	slow := fmt.Sprintf("import os, time\nwhile not os.path.exists(%q):\n    time.sleep(0.02)\n", ready)
	cmd.Dir = filepath.Dir(write(t, "app.py", slow+app))
	return cmd
}
