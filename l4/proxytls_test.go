package l4

import (
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
	"forebay/pool"
)

// headerReader starts a backend that hands out each PROXY header it gets, as it was sent, and echoes what follows.
func headerReader(t *testing.T) (*l4test.Backend, <-chan string) {
	got := make(chan string, 8)
	return l4test.Serve(t, func(p *l4test.Peer) {
		got <- receiveHeader(p)
		l4test.EchoScript(p)
	}), got
}

func receiveHeader(p *l4test.Peer) string {
	head := p.Receive(proxyV2Fixed)
	return string(append(head, p.Receive(int(binary.BigEndian.Uint16(head[proxyV2LengthAt:])))...))
}

// addressesOf is what a header says of c, which is dialled to a Server.
func addressesOf(c net.Conn) []byte {
	var b, ports []byte
	for _, a := range []net.Addr{c.LocalAddr(), c.RemoteAddr()} {
		ap := netip.MustParseAddrPort(a.String())
		b = append(b, ap.Addr().AsSlice()...)
		ports = binary.BigEndian.AppendUint16(ports, ap.Port())
	}
	return append(b, ports...)
}

// encrypted is a client that has sent "x" through TLS and got it back, so that tickets have come, too.
func encrypted(t *testing.T, s *testServer, config *tls.Config) *tls.Conn {
	t.Helper()
	c := tls.Client(l4test.Dial(t, s.addr).Conn(), config)
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return c
}

// leafOf returns the certificate itself.
func leafOf(t *testing.T, c *tls.Certificate) *x509.Certificate {
	t.Helper()
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// TestHeaderTellsOfTLS has both sides show certificates, and then only tickets.
func TestHeaderTellsOfTLS(t *testing.T) {
	ours, theirs := ecCertificate(t, elliptic.P256()), edCertificate(t)
	backend, got := headerReader(t)
	s := serve(t, func(s *Server) {
		s.TLS = serving(ours)
		s.TLS.NextProtos, s.TLS.ClientAuth, s.TLS.ClientCAs = []string{"h2"}, tls.RequireAndVerifyClientCert, x509.NewCertPool()
		s.TLS.ClientCAs.AddCert(leafOf(t, theirs))
		s.ProxyOut, s.ProxyTLV = ProxyV2, ProxyALPN|ProxyAuthority|ProxySSL|ProxyClientCert|ProxyCRC32C
		s.ProxyExtra = []ProxyField{{0xe4, []byte("ours")}}
	}, backend.Addr())
	client := &tls.Config{ServerName: "a.example", InsecureSkipVerify: true, NextProtos: []string{"http/1.1", "h2"}, Certificates: []tls.Certificate{*theirs},
		CurvePreferences: []tls.CurveID{tls.X25519}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for _, test := range []struct {
		name              string
		resumed           bool
		who, shown, proof string
	}{
		{"first", false, "\x07", string(tlv(0x24, "ecdsa-with-SHA256")) + string(tlv(0x25, "EC256")), string(tlv(0x27, "ecdsa_secp256r1_sha256"))},
		{"resumed", true, "\x05", "", ""},
	} {
		c := encrypted(t, s, client)
		state := c.ConnectionState()
		if state.DidResume != test.resumed {
			t.Fatalf("%s: resumed %v, want %v", test.name, state.DidResume, test.resumed)
		}
		ssl := test.who + "\x00\x00\x00\x00" + string(tlv(0x21, "TLSv1.3")) + string(tlv(0x22, "a client")) + string(tlv(0x23, cipherName(state.CipherSuite))) +
			test.shown + string(tlv(0x26, "x25519")) + test.proof + string(tlv(0x28, string(theirs.Certificate[0])))
		want := sealed(v2(0x21, 0x11, addressesOf(c), tlv(0x01, "h2"), tlv(0x02, "a.example"), tlv(0x20, ssl), tlv(0xe4, "ours"), tlv(0x03, "\x00\x00\x00\x00")))
		if header := <-got; header != want {
			t.Errorf("%s: got %q, want %q", test.name, header, want)
		}
		c.Close()
		s.record(t, ClientClosed)
	}
}

// tlsBehindHeader starts a backend that reads a PROXY header in clear, hands it out, and then speaks TLS: it echoes.
func tlsBehindHeader(t *testing.T, c *tls.Certificate) (*l4test.Backend, <-chan string) {
	got := make(chan string, 8)
	return l4test.Serve(t, func(p *l4test.Peer) {
		got <- receiveHeader(p)
		conn := tls.Server(p.Conn(), &tls.Config{Certificates: []tls.Certificate{*c}})
		io.Copy(conn, conn)
		conn.CloseWrite()
	}), got
}

// TestHeaderTellsNameThatPassesThrough has TLS end at the backend: its own bytes tell the name, and nothing is known of
// the rest.
func TestHeaderTellsNameThatPassesThrough(t *testing.T) {
	backend, got := tlsBehindHeader(t, ecCertificate(t, elliptic.P256()))
	s := serve(t, func(s *Server) {
		s.ProxyOut, s.ProxyTLV = ProxyV2, ProxyAuthority|ProxyALPN|ProxySSL
	}, backend.Addr())
	c := encrypted(t, s, &tls.Config{ServerName: "A.example", InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if header, want := <-got, v2(0x21, 0x11, addressesOf(c), tlv(0x02, "a.example")); header != want {
		t.Errorf("got %q, want %q", header, want)
	}
	c.CloseWrite()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after close_notify came %v, want the same", err)
	}
}

// TestHeaderGoesBeforeTLSToTheBackend has TLS end here and begin again.
func TestHeaderGoesBeforeTLSToTheBackend(t *testing.T) {
	backend, got := tlsBehindHeader(t, ecCertificate(t, elliptic.P256()))
	s := serve(t, func(s *Server) {
		s.TLS = serving(ecCertificate(t, elliptic.P384()))
		s.BackendTLS = func(*pool.Backend, string) *tls.Config { return &tls.Config{InsecureSkipVerify: true} }
		s.ProxyOut, s.ProxyTLV = ProxyV2, ProxyAuthority|ProxySSL
	}, backend.Addr())
	c := encrypted(t, s, &tls.Config{ServerName: "a.example", InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, CurvePreferences: []tls.CurveID{tls.CurveP256}})
	ssl := "\x01\x00\x00\x00\x01" + string(tlv(0x21, "TLSv1.2")) + string(tlv(0x23, "ECDHE-ECDSA-AES128-GCM-SHA256")) +
		string(tlv(0x24, "ecdsa-with-SHA384")) + string(tlv(0x25, "EC384")) + string(tlv(0x26, "secp256r1")) + string(tlv(0x27, "ecdsa_secp256r1_sha256"))
	if header, want := <-got, v2(0x21, 0x11, addressesOf(c), tlv(0x02, "a.example"), tlv(0x20, ssl)); header != want {
		t.Errorf("got %q, want %q", header, want)
	}
	c.CloseWrite()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after close_notify came %v, want the same", err)
	}
}

// A connection that is gone before the header is sent says something about the backend, and nothing about this machine.
func TestHeaderThatABackendDoesNotTake(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	unix.Close(fds[1])
	s := &session{loop: &loop{server: &Server{ProxyOut: ProxyV1}}, listener: &listener{}, client: noSide()}
	if got := s.secureBackend(&attempt{side: side{fd: int32(fds[0]), writable: true}}); got != unix.EPIPE {
		t.Errorf("got %v, want %v", got, unix.EPIPE)
	}
}

// TestWithoutTLSNothingIsToldOfIt has a client that does not speak it.
func TestWithoutTLSNothingIsToldOfIt(t *testing.T) {
	backend, got := headerReader(t)
	s := serve(t, func(s *Server) { s.ProxyOut, s.ProxyTLV = ProxyV2, ProxyALPN|ProxyAuthority|ProxySSL|ProxyClientCert }, backend.Addr())
	p := l4test.Dial(t, s.addr).Send("x").Expect("x")
	if header, want := <-got, v2(0x21, 0x11, addressesOf(p.Conn())); header != want {
		t.Errorf("got %q, want %q", header, want)
	}
	p.CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
}

// TestNameIsWaitedFor has a client that is silent, as one is whose server speaks first.
func TestNameIsWaitedFor(t *testing.T) {
	backend := l4test.Banner(t, "220 ready")
	s := serve(t, func(s *Server) {
		s.ProxyOut, s.ProxyTLV, s.HelloTimeout = ProxyV2, ProxyAuthority, 200*time.Millisecond
	}, backend.Addr())
	l4test.Dial(t, s.addr).ExpectReset()
	if r := s.record(t, HelloTimeout); r.Total < 200*time.Millisecond || r.Total > 5*time.Second || backend.Accepted() != 0 {
		t.Errorf("ended after %v with %d connections to the backend, want 200ms and none", r.Total, backend.Accepted())
	}
}
