package integration

import (
	"os/exec"
	"testing"

	"forebay/l4/l4test"
)

// enterTight has a command run in a network namespace of its own whose kernel has two ports to make connections from.
const enterTight = `ip link set lo up && echo 41000 41001 >/proc/sys/net/ipv4/ip_local_port_range && exec "$0" "$@"`

// Four backends, two sources and two ports make room for sixteen sessions: where one source has no port left to a backend, the other serves.
func TestSourcesSharePorts(t *testing.T) {
	t.Parallel()
	need(t, "ip")
	inTight := []string{"--map-root-user", "--net", "sh", "-c", enterTight}
	unshare := need(t, "unshare")
	if err := exec.Command(unshare, append(inTight, "true")...).Run(); err != nil {
		t.Skipf("namespaces can't be made here: %v", err)
	}
	path := l4test.SocketPath(t)
	args := []string{"demo", "--log", "json", "--check", "off", "-l", "unix:" + path, "--tries", "1", "--source", "127.0.0.2", "--source", "127.0.0.3"}
	f := startCommand(t, exec.Command(unshare, append(append(inTight, program), args...)...))
	const request = "GET / HTTP/1.0\r\n"
	var held []*l4test.Peer
	for range 16 {
		held = append(held, l4test.Dial(t, "unix:"+path).Send(request))
	}
	f.Allow(`no local port is left`)
	l4test.Dial(t, "unix:"+path).Send(request)
	f.Stderr.AwaitMatch(t, `no local port is left`)
	for _, p := range held {
		p.Send("\r\n").Expect("HTTP/1.0 200 OK")
	}
}
