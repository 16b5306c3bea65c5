package integration

import (
	"io"
	"os/exec"
	"slices"
	"testing"

	"forebay/l4/l4test"
)

// enterNarrow has a command run in a network namespace of its own whose kernel makes connections from the ports of $0
// alone, as long as they will do.
const enterNarrow = `ip link set lo up && echo "$0" >/proc/sys/net/ipv4/ip_local_port_range && exec "$@"`

// startNarrow starts forebay with args where these ports, the first and the last, are all that there are.
func startNarrow(t *testing.T, ports string, args ...string) *forebay {
	t.Helper()
	need(t, "ip")
	narrow := []string{need(t, "unshare"), "--map-root-user", "--net", "sh", "-c", enterNarrow, ports}
	if err := exec.Command(narrow[0], append(narrow[1:], "true")...).Run(); err != nil {
		t.Skipf("namespaces can't be made here: %v", err)
	}
	return startCommand(t, exec.Command(narrow[0], slices.Concat(narrow[1:], []string{program}, args)...))
}

// A connection to a port where nobody listens is sometimes one to itself: where the kernel chooses that very port to
// connect from. A client must not be sent its own bytes then, nor must the port be held against the server that is
// about to start there.
func TestDeadBackendsDoNotEcho(t *testing.T) {
	t.Parallel()
	path := l4test.SocketPath(t)
	startNarrow(t, "41000 41001", serveArgs([]string{"--check", "off", "-l", "unix:" + path, "127.0.0.1:41000"})...)
	for range 3 {
		client := l4test.Dial(t, "unix:"+path).Conn()
		io.WriteString(client, "hello") // may come too late already
		if n, err := client.Read(make([]byte, 9)); n > 0 || err == nil {
			t.Errorf("got %d bytes, %v; want none, and an end: nobody listens", n, err)
		}
	}
}
