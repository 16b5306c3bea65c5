package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"forebay/l4/l4test"
)

// A client's TLS goes through nginx or HAProxy, which say who it is by a PROXY header, ends in forebay, and goes on in
// another TLS, with a header before it, to HAProxy or nginx, which tell who the client is.
func TestTLSBetweenNginxAndHAProxy(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	site := a.Issue("site", l4test.Leaf{Names: []string{"a.example", "127.0.0.1"}})
	for _, c := range []struct {
		front   func(t testing.TB, port int, to string) *exec.Cmd
		version string
		behind  func(t testing.TB, port int, site *l4test.Identity) *exec.Cmd
		name    string
	}{
		{nginxSender, "v2", haproxyTLS, "nginx v1, forebay v2, HAProxy"},
		{haproxySender("send-proxy"), "v1", nginxTLS, "HAProxy v1, forebay v1, nginx"},
		{haproxySender("send-proxy-v2"), "v2", nginxTLS, "HAProxy v2, forebay v2, nginx"},
		{haproxySender("send-proxy-v2"), "v1", haproxyTLS, "HAProxy v2, forebay v1, HAProxy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			front, behind := freePort(t), freePort(t)
			serveQuietly(t, c.behind(t, behind, site), local(behind))
			f := start(t, append(endTLS(site), "--proxy-in", "127.0.0.0/8", "--proxy-out", c.version,
				"--backend-tls", "--backend-ca", a.File, local(behind))...)
			serveQuietly(t, c.front(t, front, f.Addr()), local(front))
			const sessions = 10
			for range sessions {
				if got, want := getFrom(t, l4test.DialTLS(t, local(front), a.Client("a.example"))); got != want {
					t.Errorf("the client at %s was seen at %s", want, got)
				}
			}
			for _, e := range f.Sessions(sessions) {
				wantCause(t, e, "backend-closed")
				if e.ClientTLS.Version != "1.3" || e.BackendTLS.Version != "1.3" {
					t.Errorf("the log tells of %+v and %+v", e.ClientTLS, e.BackendTLS)
				}
			}
		})
	}
}

// nginxSender passes connections on, after a version 1 header; nginx sends no other.
func nginxSender(t testing.TB, port int, to string) *exec.Cmd {
	return nginx(t, fmt.Sprintf("stream { server { listen %s; proxy_pass %s; proxy_protocol on; proxy_half_close on; } }", local(port), to))
}

func haproxySender(header string) func(t testing.TB, port int, to string) *exec.Cmd {
	return func(t testing.TB, port int, to string) *exec.Cmd { return haproxy(t, relays(port, to+" "+header)) }
}

func nginxTLS(t testing.TB, port int, site *l4test.Identity) *exec.Cmd {
	return nginx(t, fmt.Sprintf(`
http {
	access_log off;
	client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
	server {
		listen %s ssl proxy_protocol;
		ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv1.2 TLSv1.3;
		location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port\n"; }
	}
}`, local(port), site.CertFile, site.KeyFile))
}

// nginx returns the command of an nginx with these sections.
func nginx(t testing.TB, sections string) *exec.Cmd {
	program := need(t, "nginx")
	load := ""
	if module := "/usr/lib/nginx/modules/ngx_stream_module.so"; exists(module) {
		load = "load_module " + module + ";\n"
	}
	conf := write(t, "nginx.conf", load+"daemon off; master_process off; pid nginx.pid; error_log stderr;\nevents {}\n"+sections)
	return exec.Command(program, "-p", filepath.Dir(conf), "-c", conf)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func haproxyTLS(t testing.TB, port int, site *l4test.Identity) *exec.Cmd {
	return haproxy(t, fmt.Sprintf(`
frontend in
	mode http
	bind %s accept-proxy ssl crt %s
	http-request return status 200 content-type text/plain lf-string %%[src]:%%[src_port]
`, local(port), bundle(t, site)))
}

// bundle returns a file of the certificate and its key, as HAProxy wants them.
func bundle(t testing.TB, i *l4test.Identity) string {
	t.Helper()
	var text []byte
	for _, path := range []string{i.CertFile, i.KeyFile} {
		part, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, part...)
	}
	return write(t, "bundle.pem", string(text))
}
