package l4

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"forebay/l4/l4test"
)

// rsaSize is a public key of that many bits, for all that is asked of it.
func rsaSize(bits uint) *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), bits-1), E: 65537}
}

var (
	alice = &x509.Certificate{Raw: []byte("DER"), Subject: pkix.Name{CommonName: "Älice"}}
	ours  = &x509.Certificate{SignatureAlgorithm: x509.SHA256WithRSA, PublicKey: rsaSize(2048)}

	onTLS13 = tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, CurveID: tls.X25519MLKEM768,
		ServerName: "a.example", NegotiatedProtocol: "h2"}
	onTLS12 = tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, CurveID: tls.CurveP256}
)

// with returns a copy of state that is changed.
func with(state tls.ConnectionState, change func(*tls.ConnectionState)) *tls.ConnectionState {
	change(&state)
	return &state
}

func showing(c *x509.Certificate) func(*tls.ConnectionState) {
	return func(s *tls.ConnectionState) { s.PeerCertificates = []*x509.Certificate{c} }
}

func asking(name string) func(*tls.ConnectionState) {
	return func(s *tls.ConnectionState) { s.ServerName = name }
}

func verified(c *x509.Certificate) func(*tls.ConnectionState) {
	return func(s *tls.ConnectionState) {
		s.PeerCertificates, s.VerifiedChains = []*x509.Certificate{c}, [][]*x509.Certificate{{c}}
	}
}

const (
	sslTLS13 = "\x21\x00\x07TLSv1.3\x23\x00\x16TLS_AES_128_GCM_SHA256"
	group13  = "\x26\x00\x0eX25519MLKEM768"
	sslTLS12 = "\x21\x00\x07TLSv1.2\x23\x00\x1bECDHE-RSA-AES128-GCM-SHA256"
	group12  = "\x26\x00\x09secp256r1"
)

func TestProxyFields(t *testing.T) {
	const everything = ^ProxyTLV(0)
	both := shown{ours, "rsa_pss_rsae_sha256"}
	tests := []struct {
		name     string
		facts    clientFacts
		selected ProxyTLV
		want     string
	}{
		{"nothing known", clientFacts{}, everything, ""},
		{"nothing selected", clientFacts{serverName: "a.example", tls: &onTLS13, uniqueID: []byte("id"), namespace: "blue"}, 0, ""},
		{"TLS passed through", clientFacts{serverName: "a.example"}, everything, "\x02\x00\x09a.example"},
		{"ID, namespace", clientFacts{uniqueID: []byte{0, 1}, namespace: "blue"}, everything, "\x05\x00\x02\x00\x01\x30\x00\x04blue"},
		{"own fields, one empty, one twice", clientFacts{extra: []ProxyField{{0xe4, []byte("x")}, {0xe0, nil}, {0xe4, []byte("y")}}}, 0,
			"\xe4\x00\x01x\xe0\x00\x00\xe4\x00\x01y"},
		{"protocol", clientFacts{tls: &onTLS13}, ProxyALPN, "\x01\x00\x02h2"},
		{"no protocol", clientFacts{tls: &onTLS12}, ProxyALPN, ""},
		{"name, TLS ended here", clientFacts{tls: &onTLS13}, ProxyAuthority, "\x02\x00\x09a.example"},
		{"name inside an encrypted hello", clientFacts{tls: &onTLS13, serverName: "public.example"}, ProxyAuthority, "\x02\x00\x09a.example"},
		{"name in capitals, TLS ended here", clientFacts{tls: with(onTLS13, asking("A.Example"))}, ProxyAuthority, "\x02\x00\x09a.example"},
		{"no DNS name, TLS ended here", clientFacts{tls: with(onTLS13, asking("a b\r\nSet-Cookie: x"))}, ProxyAuthority, ""},
		{"name too long, TLS ended here", clientFacts{tls: with(onTLS13, asking(strings.Repeat("a.", 127)+"a"))}, ProxyAuthority, ""},
		{"no name, TLS ended here", clientFacts{tls: &onTLS12}, ProxyAuthority, ""},
		{"TLS 1.3", clientFacts{tls: &onTLS13}, ProxySSL, "\x20\x00\x39" + "\x01\x00\x00\x00\x01" + sslTLS13 + group13},
		{"TLS 1.2", clientFacts{tls: &onTLS12}, ProxySSL, "\x20\x00\x39" + "\x01\x00\x00\x00\x01" + sslTLS12 + group12},
		{"our certificate", clientFacts{tls: &onTLS13, shown: both}, ProxySSL, "\x20\x00\x66" + "\x01\x00\x00\x00\x01" + sslTLS13 +
			"\x24\x00\x0aRSA-SHA256\x25\x00\x07RSA2048" + group13 + "\x27\x00\x13rsa_pss_rsae_sha256"},
		{"client's certificate, verified", clientFacts{tls: with(onTLS13, verified(alice))}, ProxySSL, "\x20\x00\x42" + "\x07\x00\x00\x00\x00" +
			"\x21\x00\x07TLSv1.3\x22\x00\x06Älice\x23\x00\x16TLS_AES_128_GCM_SHA256" + group13},
		{"client's certificate, not looked into", clientFacts{tls: with(onTLS13, showing(alice))}, ProxySSL, "\x20\x00\x42" + "\x07\x00\x00\x00\x01" +
			"\x21\x00\x07TLSv1.3\x22\x00\x06Älice\x23\x00\x16TLS_AES_128_GCM_SHA256" + group13},
		{"client's certificate of a resumed session",
			clientFacts{tls: with(*with(onTLS13, verified(alice)), func(s *tls.ConnectionState) { s.DidResume = true })}, ProxySSL,
			"\x20\x00\x42" + "\x05\x00\x00\x00\x00" + "\x21\x00\x07TLSv1.3\x22\x00\x06Älice\x23\x00\x16TLS_AES_128_GCM_SHA256" + group13},
		{"client's certificate without a name", clientFacts{tls: with(onTLS12, verified(&x509.Certificate{}))}, ProxySSL,
			"\x20\x00\x39" + "\x07\x00\x00\x00\x00" + sslTLS12 + group12},
		{"client's certificate itself", clientFacts{tls: with(onTLS13, verified(alice))}, ProxySSL | ProxyClientCert, "\x20\x00\x48" +
			"\x07\x00\x00\x00\x00" + "\x21\x00\x07TLSv1.3\x22\x00\x06Älice\x23\x00\x16TLS_AES_128_GCM_SHA256" + group13 + "\x28\x00\x03DER"},
		{"client's certificate too long", clientFacts{tls: with(onTLS12, verified(&x509.Certificate{Raw: make([]byte, 1<<16)}))},
			ProxySSL | ProxyClientCert, "\x20\x00\x39" + "\x07\x00\x00\x00\x00" + sslTLS12 + group12},
		{"client's name too long", clientFacts{tls: with(onTLS12, verified(&x509.Certificate{Subject: pkix.Name{CommonName: strings.Repeat("a", 1<<16)}}))},
			ProxySSL, "\x20\x00\x39" + "\x07\x00\x00\x00\x00" + sslTLS12 + group12},
		{"certificate alone is not selected", clientFacts{tls: with(onTLS13, verified(alice))}, ProxyClientCert, ""},
		{"the order", clientFacts{tls: &onTLS12, serverName: "not told", uniqueID: []byte("id"), namespace: "blue", extra: []ProxyField{{0xe4, []byte("x")}}},
			everything, "\x05\x00\x02id" + "\x20\x00\x39" + "\x01\x00\x00\x00\x01" + sslTLS12 + group12 + "\x30\x00\x04blue" + "\xe4\x00\x01x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := proxyproto.JoinTLVs(test.facts.fields(test.selected))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestSSLFieldIsUnderstood has another program's reader take the field apart.
func TestSSLFieldIsUnderstood(t *testing.T) {
	f := clientFacts{tls: with(onTLS12, verified(alice)), shown: shown{ours, "rsa_pss_rsae_sha256"}}
	ssl, ok := tlvparse.FindSSL(f.fields(ProxySSL | ProxyClientCert))
	if !ok {
		t.Fatal("no SSL field that can be read")
	}
	if !ssl.ClientSSL() || !ssl.ClientCertConn() || !ssl.ClientCertSess() || !ssl.Verified() {
		t.Errorf("client %#x, verify %d; want all three bits and 0", ssl.Client, ssl.Verify)
	}
	for _, field := range []struct {
		name string
		read func() (string, bool)
		want string
	}{
		{"version", ssl.SSLVersion, "TLSv1.2"},
		{"client's name", ssl.ClientCN, "Älice"},
		{"cipher", ssl.SSLCipher, "ECDHE-RSA-AES128-GCM-SHA256"},
		{"signature algorithm", ssl.SSLSigAlg, "RSA-SHA256"},
		{"key algorithm", ssl.SSLKeyAlg, "RSA2048"},
		{"group", ssl.SSLGroup, "secp256r1"},
		{"signature scheme", ssl.SSLSigScheme, "rsa_pss_rsae_sha256"},
		{"client's certificate", func() (string, bool) { b, ok := ssl.ClientCert(); return string(b), ok }, "DER"},
	} {
		if got, ok := field.read(); !ok || got != field.want {
			t.Errorf("%s: got %q, want %q", field.name, got, field.want)
		}
	}
}

func TestReceivedFieldsArePassedOn(t *testing.T) {
	own := []proxyproto.TLV{{Type: 0x05, Value: []byte("own")}, {Type: 0xe4}}
	received := []proxyproto.TLV{{Type: 0x03}, {Type: 0x02, Value: []byte("a.example")}, {Type: 0x04}, {Type: 0x05, Value: []byte("id")},
		{Type: 0xe4, Value: []byte("x")}, {Type: 0xe5, Value: []byte("y")}, {Type: 0xe5, Value: []byte("z")}}
	before, _ := proxyproto.JoinTLVs(received)
	got, _ := proxyproto.JoinTLVs(passedOn(received, own))
	if want := "\x02\x00\x09a.example\xe5\x00\x01y\xe5\x00\x01z"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if after, _ := proxyproto.JoinTLVs(received); !bytes.Equal(before, after) {
		t.Errorf("what was received has become %q", after)
	}
}

// TestOwnFieldsAreSent has fields of the operator's own go out behind those that came in, each type once.
func TestOwnFieldsAreSent(t *testing.T) {
	backend := l4test.Serve(t, func(p *l4test.Peer) {
		want := sealed(v2(0x21, 0x11, inet4, tlv(0x02, "a.example"), tlv(0xe4, "ours"), tlv(0x03, "\x00\x00\x00\x00")))
		p.Expect(want + "x").Send("y").ExpectEOF()
	})
	s := trusting(t, func(s *Server) {
		s.ProxyOut, s.ProxyTLV, s.ProxyExtra = ProxyV2, ProxyReceived|ProxyCRC32C, []ProxyField{{0xe4, []byte("ours")}}
	}, backend.Addr())
	header := v2(0x21, 0x11, inet4, tlv(0x02, "a.example"), tlv(0xe4, "theirs"))
	l4test.Dial(t, s.addr).Send(header + "x").Expect("y").CloseWrite().ExpectEOF()
	backend.AwaitDone(1)
}
