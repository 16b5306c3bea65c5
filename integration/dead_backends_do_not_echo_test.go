package integration

import (
	"io"
	"os/exec"
	"testing"

	"forebay/l4/l4test"
)

// enterNarrow has a command run in a network namespace of its own whose kernel makes connections from one port alone, 41000, as long as that will do.
const enterNarrow = `ip link set lo up && echo 41000 41001 >/proc/sys/net/ipv4/ip_local_port_range && exec "$0" "$@"`

// A connection to a port where nobody listens is sometimes one to itself: where the kernel chooses that very port to connect from. A client must not be
// sent its own bytes then, nor must the port be held against the server that is about to start there.
func TestDeadBackendsDoNotEcho(t *testing.T) {
	t.Parallel()
	need(t, "ip")
	inNarrow := []string{"--map-root-user", "--net", "sh", "-c", enterNarrow}
	unshare := need(t, "unshare")
	if err := exec.Command(unshare, append(inNarrow, "true")...).Run(); err != nil {
		t.Skipf("namespaces can't be made here: %v", err)
	}
	path := l4test.SocketPath(t)
	args := serveArgs([]string{"--check", "off", "-l", "unix:" + path, "127.0.0.1:41000"})
	startCommand(t, exec.Command(unshare, append(append(inNarrow, program), args...)...))
	for range 3 {
		client := l4test.Dial(t, "unix:"+path).Conn()
		io.WriteString(client, "hello") // may come too late already
		if n, err := client.Read(make([]byte, 9)); n > 0 || err == nil {
			t.Errorf("got %d bytes, %v; want none, and an end: nobody listens", n, err)
		}
	}
}
