package l4

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"
)

// A noting transport keeps what it is told.
type noting struct {
	net.Conn
	seen shown
}

func (n *noting) saw(s shown) { n.seen = s }

// certify returns a certificate for a.example that key has signed for itself.
func certify(tb testing.TB, key crypto.Signer, err error) *tls.Certificate {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a client"}, DNSNames: []string{"a.example"},
		NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func rsaCertificate(tb testing.TB) *tls.Certificate {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	return certify(tb, key, err)
}

func ecCertificate(tb testing.TB, curve elliptic.Curve) *tls.Certificate {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	return certify(tb, key, err)
}

func edCertificate(tb testing.TB) *tls.Certificate {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return certify(tb, key, err)
}

// serving returns a Config whose certificate is witnessed.
func serving(c *tls.Certificate) *tls.Config {
	return &tls.Config{GetCertificate: Witnessed(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c, nil })}
}

// shakeHands has a client shake hands with server and returns what the client was shown, by what the transport was
// told.
func shakeHands(t *testing.T, server, client *tls.Config) (shown, tls.ConnectionState) {
	t.Helper()
	near, far := pair(t)
	transport := &noting{Conn: far}
	ended := make(chan error, 1)
	go func() {
		c := tls.Server(transport, server)
		_, err := c.Write([]byte("x")) // behind it comes the ticket
		ended <- err
		io.Copy(io.Discard, c)
		far.Close()
	}()
	c := tls.Client(near, client)
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatalf("the client: %v", err)
	}
	near.Close()
	if err := <-ended; err != nil {
		t.Fatalf("the server: %v", err)
	}
	return transport.seen, c.ConnectionState()
}

// pair returns both ends of a connection over loopback.
func pair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, nearErr := net.Dial("tcp", l.Addr().String())
	far, farErr := l.Accept()
	if err := errors.Join(nearErr, farErr); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{near, far} {
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(10 * time.Second)) // a test that hangs fails
	}
	return near, far
}

func TestWhatIsShownIsWitnessed(t *testing.T) {
	for _, test := range []struct {
		name        string
		certificate *tls.Certificate
		version     uint16
		scheme      string
	}{
		{"TLS 1.3, RSA", rsaCertificate(t), tls.VersionTLS13, "rsa_pss_rsae_sha256"},
		{"TLS 1.3, P-256", ecCertificate(t, elliptic.P256()), tls.VersionTLS13, "ecdsa_secp256r1_sha256"},
		{"TLS 1.3, P-384", ecCertificate(t, elliptic.P384()), tls.VersionTLS13, "ecdsa_secp384r1_sha384"},
		{"TLS 1.3, Ed25519", edCertificate(t), tls.VersionTLS13, "ed25519"},
		{"TLS 1.2, RSA", rsaCertificate(t), tls.VersionTLS12, "rsa_pss_rsae_sha256"},
		{"TLS 1.2, P-384", ecCertificate(t, elliptic.P384()), tls.VersionTLS12, "ecdsa_secp256r1_sha256"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, state := shakeHands(t, serving(test.certificate), &tls.Config{InsecureSkipVerify: true, MaxVersion: test.version})
			if got.certificate == nil || !got.certificate.Equal(state.PeerCertificates[0]) {
				t.Errorf("certificate %v, want the one that the client saw", got.certificate)
			}
			if got.scheme != test.scheme {
				t.Errorf("signed by %q, want %q", got.scheme, test.scheme)
			}
		})
	}
}

// TestResumedSessionShowsNothing has a ticket take the certificate's place.
func TestResumedSessionShowsNothing(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			server := serving(ecCertificate(t, elliptic.P256()))
			client := &tls.Config{InsecureSkipVerify: true, ServerName: "a.example", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			if first, _ := shakeHands(t, server, client); first.certificate == nil {
				t.Error("no certificate was shown at first")
			}
			got, state := shakeHands(t, server, client)
			if !state.DidResume {
				t.Fatal("the session was not resumed")
			}
			if got != (shown{}) {
				t.Errorf("got %+v, want nothing", got)
			}
		})
	}
}

func TestWithoutACertificateNothingIsChanged(t *testing.T) {
	refusal := errors.New("none for you")
	for _, test := range []struct {
		name        string
		certificate *tls.Certificate
		err         error
		transport   net.Conn
	}{
		{"none", nil, nil, &noting{}},
		{"an error", nil, refusal, &noting{}},
		{"without a key", &tls.Certificate{}, nil, &noting{}},
		{"no witness", ecCertificate(t, elliptic.P256()), nil, &net.TCPConn{}},
	} {
		get := Witnessed(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return test.certificate, test.err })
		if c, err := get(&tls.ClientHelloInfo{Conn: test.transport}); c != test.certificate || err != test.err {
			t.Errorf("%s: got %v, %v", test.name, c, err)
		}
	}
}
