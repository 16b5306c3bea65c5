package integration

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"forebay/l4/l4test"
)

// nginx, HAProxy and gunicorn read our headers, and tell the client's address and port.
func TestProxyHeaderIsUnderstood(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		versions []string
		server   func(t testing.TB, port int) *exec.Cmd
	}{
		{"nginx", []string{"v1", "v2"}, nginxReceiver},
		{"haproxy", []string{"v1", "v2"}, haproxyReceiver},
		{"gunicorn", []string{"v1"}, gunicornReceiver}, // knows no version 2
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			port := freePort(t)
			serve(t, local(port), c.server(t, port))
			for _, version := range c.versions {
				f := start(t, "--proxy-out", version, local(port))
				for range 20 {
					if got, want := get(t, f.Addr()); got != want {
						t.Errorf("%s: %s saw the client at %s, which is at %s", version, c.name, got, want)
					}
				}
			}
		})
	}
}

func nginxReceiver(t testing.TB, port int) *exec.Cmd {
	nginx := need(t, "nginx")
	conf := write(t, "nginx.conf", fmt.Sprintf(`
daemon off; master_process off; pid nginx.pid; error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
	server { listen %s proxy_protocol; location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port\n"; } }
}`, local(port)))
	return exec.Command(nginx, "-p", filepath.Dir(conf), "-c", conf)
}

func haproxyReceiver(t testing.TB, port int) *exec.Cmd {
	return haproxy(t, fmt.Sprintf(`
frontend in
	mode http
	bind %s accept-proxy
	http-request return status 200 content-type text/plain lf-string %%[src]:%%[src_port]
`, local(port)))
}

// haproxy returns the command of an HAProxy with these sections.
func haproxy(t testing.TB, sections string) *exec.Cmd {
	program := need(t, "haproxy")
	return exec.Command(program, "-db", "-f", write(t, "haproxy.cfg", `
defaults
	timeout connect 5s
	timeout client 1m
	timeout server 1m
`+sections))
}

func gunicornReceiver(t testing.TB, port int) *exec.Cmd {
	cmd := gunicorn(t, port)
	cmd.Args = append(cmd.Args, "--proxy-protocol")
	return cmd
}

// A session goes through HAProxy, forebay and HAProxy again, with all its bytes and both its half-closes.
func TestHAProxyBehindAndInFront(t *testing.T) {
	t.Parallel()
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.ExpectContent(1, 8*mib).ExpectEOF().SendContent(2, 8*mib).CloseWrite()
	})
	front, behind := freePort(t), freePort(t)
	f := start(t, unwatched(local(behind))...)
	serveQuietly(t, haproxy(t, relays(front, f.Addr())+relays(behind, b.Addr())), local(front))
	l4test.Dial(t, local(front)).SendContent(1, 8*mib).CloseWrite().ExpectContent(2, 8*mib).ExpectEOF()
	b.AwaitDone(1)
	for _, e := range f.Sessions(1) {
		wantBytes(t, e, 8*mib, 8*mib)
	}
}

func relays(port int, to string) string {
	return fmt.Sprintf("listen at%d\n\tmode tcp\n\tbind %s\n\tserver s %s\n", port, local(port), to)
}

// serveQuietly is serve for a server that passes connections on: it looks for the listener instead of connecting.
func serveQuietly(t testing.TB, cmd *exec.Cmd, addr string) {
	t.Helper()
	p := run(t, cmd)
	l4test.Await(t, patience, cmd.Args[0]+" listens", func() bool {
		if !p.Running() {
			t.Fatalf("%q ended with status %d:\n%s", cmd.Args, p.status, p.Stderr)
		}
		for _, a := range listening(p.pid()) {
			if a == addr {
				return true
			}
		}
		return false
	})
}
