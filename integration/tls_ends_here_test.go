package integration

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"forebay/l4/l4test"
)

// OpenSSL's client speaks TLS of either version to forebay, and the backend sees what is in it.
func TestTLSEndsHere(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})), answering(t).Addr())...)
	for i, version := range []string{"1.2", "1.3"} {
		flag := "-tls" + strings.ReplaceAll(version, ".", "_")
		wantAnswer(t, f.Addr(), asks(a, "a.example", flag), "Protocol version: TLSv"+version, "Verification: OK")
		e := f.Sessions(i + 1)[i]
		wantCause(t, e, "backend-closed")
		wantBytes(t, e, int64(len("hello\n")), int64(len("answer\n")))
		if s := e.ClientTLS; s.Version != version || s.Cipher == "" || s.Handshake <= 0 || s.Resumed || s.Fault != "" || e.ServerName != "a.example" {
			t.Errorf("the log tells of a session for %q with %+v", e.ServerName, s)
		}
		if e.BackendTLS != (spoken{}) {
			t.Errorf("the log tells of TLS with the backend: %+v", e.BackendTLS)
		}
	}
}

// What is too old or too weak is refused with an alert, and no backend hears of it.
func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	site := endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}}))
	b := answering(t)
	lax, strict := start(t, append(site, b.Addr())...), start(t, append(site, "--tls-min-version", "1.3", b.Addr())...)
	wantAlert(t, lax.Addr(), asks(a, "a.example", "-tls1_1"), protocolVersion)
	wantAlert(t, strict.Addr(), asks(a, "a.example", "-tls1_2"), protocolVersion)
	wantAlert(t, lax.Addr(), asks(a, "a.example", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"), handshakeFailure)
	for _, e := range append(lax.Sessions(2), strict.Session()) {
		wantCause(t, e, "handshake-failed")
		if e.ClientTLS.Fault == "" || len(e.Tries) > 0 {
			t.Errorf("the log does not say why, or tells of a try: %+v", e)
		}
	}
	if n := b.Accepted(); n > 0 {
		t.Errorf("the backend saw %d connections", n)
	}
	wantAnswer(t, strict.Addr(), asks(a, "a.example"), "TLSv1.3")
}

// A client that speaks no TLS is told so in no TLS either: the connection is reset, and no backend hears of it.
func TestNotTLSIsRefused(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	b := l4test.Echo(t)
	f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})), b.Addr())...)
	l4test.Dial(t, f.Addr()).Send("SSH-2.0-client\r\n").ExpectReset()
	wantCause(t, f.Session(), "not-tls")
	if n := b.Accepted(); n > 0 {
		t.Errorf("the backend saw %d connections", n)
	}
}

// curl speaks HTTP/1.1 and HTTP/2 through forebay, as they agree by ALPN, to a server that speaks both in clear.
func TestALPNIsAgreedOn(t *testing.T) {
	t.Parallel()
	curl := need(t, "curl")
	a := l4test.NewAuthority(t)
	f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})),
		"--alpn", "h2", "--alpn", "http/1.1", httpServer(t))...)
	_, port, _ := net.SplitHostPort(f.Addr())
	for i, c := range []struct{ flag, protocol, version string }{
		{"--http1.1", "http/1.1", "HTTP/1.1"},
		{"--http2", "h2", "HTTP/2.0"},
	} {
		text := output(t, exec.Command(curl, "-sS", "--fail", c.flag, "--cacert", a.File, "--resolve", "a.example:"+port+":127.0.0.1",
			"https://a.example:"+port+"/one", "https://a.example:"+port+"/two"))
		for _, path := range []string{"/one", "/two"} {
			if want := c.version + " " + path; !strings.Contains(text, want) {
				t.Errorf("curl %s shows no %q:\n%s", c.flag, want, text)
			}
		}
		if e := f.Sessions(i + 1)[i]; e.ClientTLS.ALPN != c.protocol {
			t.Errorf("the log tells of ALPN %q, want %q", e.ClientTLS.ALPN, c.protocol)
		}
	}
}

// httpServer starts a server that tells the version of HTTP and the path, and returns its address.
func httpServer(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", l4test.Reserve(t, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s\n", r.Proto, r.URL.Path)
	})}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Serve(l)
	}()
	t.Cleanup(func() { s.Close(); <-ended })
	return l.Addr().String()
}
