package integration

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"

	"forebay/l4/l4test"
)

// TestSessionsFollowTheirBackend has a check that asks beside the traffic's port find a backend down whose sessions are
// well.
func TestSessionsFollowTheirBackend(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		choice, cause string
		end           func(*l4test.Peer)
	}{
		{"keep", "client-closed", func(p *l4test.Peer) { p.Send("y").Expect("y").CloseWrite().ExpectEOF() }},
		{"drain", "drained", func(p *l4test.Peer) { p.ExpectEOF() }},
		{"reset", "backend-down", func(p *l4test.Peer) { p.ExpectReset() }},
	} {
		t.Run(test.choice, func(t *testing.T) {
			t.Parallel()
			health := l4test.Serve(t, func(p *l4test.Peer) {
				if _, err := http.ReadRequest(bufio.NewReader(p.Conn())); err == nil {
					p.Send("HTTP/1.0 200 OK\r\n\r\n")
				}
			})
			_, port, _ := net.SplitHostPort(health.Addr())
			f := start(t, "--on-down", test.choice, "--check", fmt.Sprintf("http://:%s/", port), "--check-interval", "100ms",
				"--when-all-down", "refuse", l4test.Echo(t).Addr())
			f.Allow("down|no backend")
			client := l4test.Dial(t, f.Addr()).Send("x").Expect("x")
			health.Close()
			f.Stderr.AwaitMatch(t, "down")
			test.end(client)
			client.Close()
			wantCause(t, f.Session(), test.cause)
		})
	}
}
