package health

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"forebay/l4/l4test"
)

// A secureServer is an HTTPS server with a certificate for 127.0.0.1 and example.com, and what it logs.
type secureServer struct {
	*httptest.Server
	said guarded
}

// guarded is a buffer for many goroutines.
type guarded struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (g *guarded) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.Write(b)
}

func (g *guarded) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.String()
}

func serveSecurely(t *testing.T) *secureServer {
	s := new(secureServer)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s, resumed: %v", r.Proto, r.Host, r.TLS.DidResume)
	}))
	s.Config.ErrorLog = log.New(&s.said, "", 0)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *secureServer) roots() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
}

func TestTLSVerifies(t *testing.T) {
	s := serveSecurely(t)
	addr := s.Listener.Addr().String()
	for _, c := range []struct {
		check  string
		config *tls.Config
		down   string
	}{
		{"tls", s.roots(), ""},
		{"tls,name=example.com", s.roots(), ""},
		{"tls,name=other.example", s.roots(), "not other.example"},
		{"tls,name=other.example,verify=off", s.roots(), ""},
		{"tls", nil, "TLS handshake: tls: failed to verify certificate"},
		{"tls,verify=off", nil, ""},
		{`https:///,match=^HTTP/1.1 127.0.0.1:[0-9]+\, resumed: false$`, s.roots(), ""},
		{"https:///,body=example.com,name=example.com", s.roots(), ""},
		{"https:///", nil, "failed to verify certificate"},
		{"http:///", nil, "got status 400"},
	} {
		t.Run(c.check, func(t *testing.T) {
			probe := mustParse(t, c.check).Probe(Dialer{TLS: c.config})
			for range 2 { // the second must not get by without looking at the certificate
				judge(t, ask(t, probe, addr), c.down)
			}
			if c.config != nil && c.config.ServerName != "" {
				t.Errorf("the Config was given the name %s", c.config.ServerName)
			}
		})
	}
}

// A certificate names a link-local address without its zone, and so does the header of a request: a zone means
// something on this machine alone.
func TestTLSVerifiesLinkLocalAddresses(t *testing.T) {
	a := l4test.NewAuthority(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) }))
	s.TLS, s.Config.ErrorLog = a.Issue("site", l4test.Leaf{Names: []string{"fe80::1"}}).Server(), log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	there := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}
	for _, check := range []string{"tls", "https:///,match=^.fe80::1.$"} {
		probe := mustParse(t, check).Probe(Dialer{TLS: a.Client(""), Dial: there})
		judge(t, ask(t, probe, "[fe80::1%eth0]:443"), "")
		judge(t, ask(t, probe, "[fe80::2%eth0]:443"), "not fe80::2")
	}
}

// A server that asks for a certificate tells only after the handshake of TLS 1.3 that there was none, or that it is of
// somebody else.
func TestTLSHearsThatItsCertificateIsRefused(t *testing.T) {
	a, other := l4test.NewAuthority(t), l4test.NewAuthority(t)
	good, bad := a.Issue("good", l4test.Leaf{}), other.Issue("bad", l4test.Leaf{})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server := a.Issue("site", l4test.Leaf{Names: []string{"127.0.0.1"}}).Server()
		server.ClientAuth, server.ClientCAs, server.MaxVersion = tls.RequireAndVerifyClientCert, a.Client("").RootCAs, version
		b := l4test.Serve(t, func(p *l4test.Peer) {
			conn := tls.Server(p.Conn(), server)
			conn.Read(make([]byte, 1))
			conn.Close()
		})
		for name, c := range map[string]struct {
			shown *l4test.Identity
			down  string
		}{"none": {nil, "TLS handshake: remote error: tls: "}, "stranger's": {bad, "TLS handshake: remote error: tls: "}, "good": {good, ""}} {
			t.Run(tls.VersionName(version)+", "+name, func(t *testing.T) {
				config := a.Client("127.0.0.1")
				if c.shown != nil {
					config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.shown.Certificate, nil }
				}
				judge(t, ask(t, TLS{Dialer{TLS: config}}, b.Addr()), c.down)
				config.GetClientCertificate = nil
				if c.shown == good {
					config.Certificates = []tls.Certificate{good.Certificate}
					wantUp(t, ask(t, TLS{Dialer{TLS: config}}, b.Addr()))
				}
			})
		}
	}
}

// A path is no name.
func TestTLSNeedsAName(t *testing.T) {
	wantUnasked(t, TLS{}.Probe(t.Context(), target("unix:/run/s")), "/run/s has no name", "write name=HOST")
	wantDown(t, mustParse(t, "tls,verify=off").Probe(Dialer{}).Probe(t.Context(), target("unix:/nowhere/s")), "no such file")
}

// The server logs nothing of a handshake that is all it sees.
func TestTLSIsNotLogged(t *testing.T) {
	s := serveSecurely(t)
	for range 100 {
		wantUp(t, ask(t, TLS{Dialer{TLS: s.roots()}}, s.Listener.Addr().String()))
	}
	s.Close()
	if said := s.said.String(); said != "" {
		t.Errorf("the server logs:\n%s", said)
	}
}

// Other protocols go over TLS too, and end with close_notify before FIN (RFC 8446, section 6.1). In TLS 1.2 an alert is
// seen from outside.
func TestTLSEndsWithCloseNotify(t *testing.T) {
	s := serveSecurely(t)
	b := l4test.Serve(t, func(p *l4test.Peer) {
		seen := &recorder{Conn: p.Conn()}
		conn := tls.Server(seen, s.TLS)
		question := make([]byte, 14)
		if _, err := io.ReadFull(conn, question); err != nil {
			t.Errorf("got %q, %v, want PING", question, err)
		}
		seen.b.Reset()
		io.WriteString(conn, "+PONG\r\n")
		if n, err := conn.Read(question); n > 0 || err != io.EOF || seen.b.Len() == 0 || seen.b.Bytes()[0] != 21 {
			t.Errorf("got %d bytes and %v, of %x, want an alert, of type 21", n, err, seen.b.Bytes())
		}
		p.ExpectEOF()
	})
	config := s.roots()
	config.MaxVersion = tls.VersionTLS12
	r := ask(t, mustParse(t, "redis,tls").Probe(Dialer{TLS: config}), b.Addr())
	wantUp(t, r)
	if want := `TLS 1.2 with TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256; sent "*1\r\n$4\r\nPING\r\n"; got "+PONG\r\n"`; r.Transcript != want {
		t.Errorf("got %s, want %s", r.Transcript, want)
	}
	b.AwaitDone(1)
}

// A recorder keeps what is read.
type recorder struct {
	net.Conn
	b bytes.Buffer
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.b.Write(b[:n])
	return n, err
}
