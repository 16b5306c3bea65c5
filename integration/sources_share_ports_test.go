package integration

import (
	"testing"

	"forebay/l4/l4test"
)

// Four backends, two sources and two ports make room for sixteen sessions: where one source has no port left to a
// backend, the other serves.
func TestSourcesSharePorts(t *testing.T) {
	t.Parallel()
	path := l4test.SocketPath(t)
	f := startNarrow(t, "41000 41001", "demo", "--log", "json", "--check", "off", "-l", "unix:"+path, "--tries", "1", "--source", "127.0.0.2", "--source", "127.0.0.3")
	f.Allow(`no local port is left`)
	const request = "GET / HTTP/1.0\r\n"
	var held []*l4test.Peer
	for range 16 {
		held = append(held, l4test.Dial(t, "unix:"+path).Send(request))
	}
	l4test.Dial(t, "unix:"+path).Send(request)
	f.Stderr.AwaitMatch(t, `no local port is left`)
	for _, p := range held {
		p.Send("\r\n").Expect("HTTP/1.0 200 OK")
	}
}
