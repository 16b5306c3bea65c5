package integration

import (
	"crypto/tls"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"forebay/l4/l4test"
)

// The backend is verified, by its address or by the name that is said; a client in clear notices nothing.
func TestBackendTLSVerifies(t *testing.T) {
	t.Parallel()
	a, other := l4test.NewAuthority(t), l4test.NewAuthority(t)
	byAddress := a.Issue("address", l4test.Leaf{Names: []string{"127.0.0.1"}})
	byName := a.Issue("name", l4test.Leaf{Names: []string{"db.example"}})
	byOther := other.Issue("address", l4test.Leaf{Names: []string{"127.0.0.1"}})
	for _, c := range []struct {
		name  string
		shows *l4test.Identity
		args  []string
		asked string // by SNI
		good  bool
	}{
		{"address", byAddress, nil, "", true},
		{"name", byName, []string{"--backend-sni", "db.example"}, "db.example", true},
		{"another name", byName, []string{"--backend-sni", "web.example"}, "", false},
		{"name for an address", byName, nil, "", false},
		{"another authority", byOther, nil, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan string, 1)
			b := l4test.ServeTLS(t, c.shows.Server(), func(p *l4test.Peer) {
				asked <- p.TLS().ServerName
				l4test.EchoScript(p)
			})
			f := start(t, append(c.args, "--backend-tls", "--backend-ca", a.File, b.Addr())...)
			client := l4test.Dial(t, f.Addr())
			if !c.good {
				client.ExpectReset()
				e := f.Session()
				wantCause(t, e, "connect-failed")
				if got := e.results(); !slices.Equal(got, []string{"tls-failed"}) || e.Tries[0].Fault == "" {
					t.Errorf("the log tells of %+v, want one that failed, and why", e.Tries)
				}
				return
			}
			client.Send("hello").Expect("hello").CloseWrite().ExpectEOF()
			b.AwaitDone(1)
			if got := <-asked; got != c.asked {
				t.Errorf("the backend was asked for %q, want %q", got, c.asked)
			}
			e := f.Session()
			wantCause(t, e, "client-closed")
			wantBytes(t, e, 5, 5)
			if e.BackendTLS.Version != "1.3" || e.BackendTLS.Handshake <= 0 || e.ClientTLS != (spoken{}) {
				t.Errorf("the log tells of %+v with the backend and %+v with the client", e.BackendTLS, e.ClientTLS)
			}
		})
	}
}

// A backend whose handshake fails, or never ends, is passed over like one that refuses; no byte of the client is lost.
func TestFailedBackendHandshakeTriesTheNext(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	stranger := l4test.NewAuthority(t).Issue("stranger", l4test.Leaf{Names: []string{"127.0.0.1"}})
	good := l4test.ServeTLS(t, a.Issue("good", l4test.Leaf{Names: []string{"127.0.0.1"}}).Server(), l4test.EchoScript)
	for _, c := range []struct {
		name   string
		bad    *l4test.Backend
		result string
	}{
		{"stranger", l4test.ServeTLS(t, stranger.Server(), l4test.EchoScript), "tls-failed"},
		{"not TLS", l4test.Banner(t, "220 mail.example ESMTP\r\n"), "tls-failed"},
		{"silent", l4test.Discard(t), "timeout"},
		{"closes", l4test.Serve(t, func(p *l4test.Peer) { p.Receive(1); p.CloseWrite().ReceiveAll() }), "tls-failed"},
		{"resets", l4test.Serve(t, func(p *l4test.Peer) { p.Receive(1); p.Reset() }), "refused or tls-failed"}, // as it is seen first
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, "--policy", "first", "--connect-timeout", "1s", "--connect-budget", "1m",
				"--backend-tls", "--backend-ca", a.File, c.bad.Addr(), good.Addr())
			l4test.Dial(t, f.Addr()).Send("hello").Expect("hello").CloseWrite().ExpectEOF()
			e := f.Session()
			wantBytes(t, e, 5, 5)
			if got := e.results(); len(got) != 2 || !slices.Contains(strings.Split(c.result, " or "), got[0]) || got[1] != "connected" {
				t.Errorf("tried with results %v, want %s and connected", got, c.result)
			}
		})
	}
}

// Checks of a backend that speaks TLS speak it too, and look at its certificate: no client has to find out that it is
// wrong.
func TestBackendTLSIsChecked(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	stranger := l4test.NewAuthority(t).Issue("stranger", l4test.Leaf{Names: []string{"127.0.0.1"}})
	bad := l4test.ServeTLS(t, stranger.Server(), l4test.EchoScript)
	good := l4test.ServeTLS(t, a.Issue("good", l4test.Leaf{Names: []string{"127.0.0.1"}}).Server(), l4test.EchoScript)
	f := start(t, "--policy", "first", "--check-interval", "1h", "--backend-tls", "--backend-ca", a.File, bad.Addr(), good.Addr())
	f.Allow("a backend is down")
	f.Stderr.AwaitMatch(t, `"a backend is down","backend":"`+bad.Addr()+`".*certificate`)
	l4test.Dial(t, f.Addr()).Send("x").Expect("x").CloseWrite().ExpectEOF()
	if got := f.Session().results(); !slices.Equal(got, []string{"connected"}) {
		t.Errorf("tried with results %v, want connected at once", got)
	}
}

// A backend that asks for a certificate is shown one, and what the client agreed on by ALPN is offered to it.
func TestBackendSeesCertificateAndProtocol(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	site, balancer := a.Issue("site", l4test.Leaf{Names: []string{"127.0.0.1", "a.example"}}), a.Issue("balancer", l4test.Leaf{CommonName: "balancer"})
	server := site.Server()
	server.ClientAuth, server.ClientCAs, server.NextProtos = tls.RequireAndVerifyClientCert, a.Client("").RootCAs, []string{"h2", "http/1.1"}
	seen := make(chan tls.ConnectionState, 1)
	b := l4test.ServeTLS(t, server, func(p *l4test.Peer) {
		seen <- p.TLS()
		l4test.EchoScript(p)
	})
	f := start(t, append(endTLS(site), "--alpn", "h2", "--alpn", "http/1.1", "--backend-tls", "--backend-ca", a.File,
		"--backend-cert", balancer.CertFile, "--backend-key", balancer.KeyFile, b.Addr())...)
	for _, protocol := range []string{"h2", "http/1.1"} {
		client := a.Client("a.example")
		client.NextProtos = []string{protocol}
		exchangeTLS(t, f, client)
		s := <-seen
		if s.NegotiatedProtocol != protocol || s.PeerCertificates[0].Subject.CommonName != "balancer" {
			t.Errorf("the backend sees %q and %q, want %q and balancer", s.NegotiatedProtocol, s.PeerCertificates[0].Subject.CommonName, protocol)
		}
	}
}

// The PROXY header comes in clear, before the handshake, as nginx and HAProxy want it.
func TestProxyHeaderComesBeforeBackendTLS(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	site := a.Issue("site", l4test.Leaf{Names: []string{"127.0.0.1"}})
	for version, header := range map[string]func(client, local string) string{"v1": v1, "v2": v2} {
		headers := make(chan string, 1)
		b := l4test.Serve(t, func(p *l4test.Peer) {
			l4test.EchoScript(p.Expect(<-headers).Secure(tls.Server, site.Server()))
		})
		f := start(t, append(endTLS(site), "--proxy-out", version, "--backend-tls", "--backend-ca", a.File, b.Addr())...)
		client := l4test.Dial(t, f.Addr())
		headers <- header(client.Addr().String(), client.Remote().String())
		client.Secure(tls.Client, a.Client("127.0.0.1")).Send("hello").Expect("hello").Close()
	}
}

// endlessApp answers a request of HTTP/1.0 with so many bytes, whose end only the end of the connection tells.
const endlessApp = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"x" * 1000 for _ in range(300)]
`

// gunicorn, as every server in Python, ends its TLS without close_notify. What it has said arrives whole at clients in
// clear and in TLS, with FIN behind it: those in TLS get no close_notify either. Those who want to be strict have it
// reset. gunicorn gets no PROXY header: it looks for one inside its TLS, where only who does not end TLS before it
// could put one.
func TestGunicornOverTLS(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	site := a.Issue("site", l4test.Leaf{Names: []string{"127.0.0.1", "a.example"}})
	port := freePort(t)
	server := gunicorn(t, port)
	server.Dir = filepath.Dir(write(t, "app.py", endlessApp))
	server.Args = append(server.Args, "--certfile", site.CertFile, "--keyfile", site.KeyFile)
	serveQuietly(t, server, local(port))
	args := []string{"--backend-tls", "--backend-ca", a.File, local(port)}
	inClear, inTLS, strict := start(t, args...), start(t, append(endTLS(site), args...)...), start(t, append(args, "--backend-tls-eof", "strict")...)
	const request, size, answers = "GET / HTTP/1.0\r\n\r\n", 300_000, 10
	whole := func(p *l4test.Peer, end error) {
		t.Helper()
		answer, err := io.ReadAll(p.Send(request).Conn())
		if got := len(bodyOf(t, answer)); got != size || err != end {
			t.Errorf("got %d bytes and %v, want %d and %v", got, err, size, end)
		}
		p.Close()
	}
	for range answers {
		whole(l4test.Dial(t, inClear.Addr()), nil)
		whole(l4test.DialTLS(t, inTLS.Addr(), a.Client("a.example")), io.ErrUnexpectedEOF) // which is a FIN without close_notify
	}
	curl := exec.Command(need(t, "curl"), "-sS", "-0", "--fail", "-o", os.DevNull, "-w", "%{size_download}", "http://"+inClear.Addr()+"/")
	if got := strings.TrimSpace(output(t, curl)); got != strconv.Itoa(size) {
		t.Errorf("curl got %s bytes, want %d", got, size)
	}
	l4test.Dial(t, strict.Addr()).Send(request).ExpectResetSoon()
	for _, e := range slices.Concat(inClear.Sessions(answers+1), inTLS.Sessions(answers), strict.Sessions(1)) {
		wantCause(t, e, "backend-truncated")
	}
}
