package certs

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
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// now is when the tests take place.
var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// A spec is a certificate to be made. It is its own issuer.
type spec struct {
	names      []string
	commonName string
	key        crypto.Signer // nil: ECDSA
	notBefore  time.Time     // zero: a day before now
	notAfter   time.Time     // zero: 90 days after now
}

func ecdsaKey(t testing.TB) crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return must(t, key, err)
}

func ed25519Key(t testing.TB) crypto.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return must(t, key, err)
}

// rsaKey is made once: it takes long.
var rsaKey = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// encode makes the certificate, and returns it and its key as PEM.
func (s spec) encode(t testing.TB) (certificate, key []byte) {
	t.Helper()
	if s.key == nil {
		s.key = ecdsaKey(t)
	}
	if s.notBefore.IsZero() {
		s.notBefore = now.Add(-day)
	}
	if s.notAfter.IsZero() {
		s.notAfter = now.Add(90 * day)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: must(t, serial, err),
		Subject:      pkix.Name{CommonName: s.commonName},
		DNSNames:     s.names,
		NotBefore:    s.notBefore,
		NotAfter:     s.notAfter,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, s.key.Public(), s.key)
	must(t, der, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(s.key)
	must(t, pkcs8, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// A folder is where a test keeps its files.
type folder struct {
	testing.TB
	path string
}

func newFolder(t testing.TB) folder { return folder{t, t.TempDir()} }

// write replaces a file in place of the old one, as a careful tool does, and returns its path.
func (f folder) write(name string, parts ...[]byte) string {
	f.Helper()
	path := filepath.Join(f.path, name)
	var text []byte
	for _, p := range parts {
		text = append(text, p...)
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		f.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		f.Fatal(err)
	}
	return path
}

// pair writes a pair of files for s.
func (f folder) pair(name string, s spec) Pair {
	f.Helper()
	certificate, key := s.encode(f)
	return Pair{Certificate: f.write(name+".crt", certificate), Key: f.write(name+".key", key)}
}

// load loads pairs that must be good.
func (f folder) load(o Options, pairs ...Pair) *Store {
	f.Helper()
	s, err := Load(pairs, o, now)
	return must(f, s, err)
}

// served shakes hands with s and returns the certificate that the client sees.
func served(t testing.TB, s *Store, client *tls.Config) *x509.Certificate {
	t.Helper()
	state, err := shake(t, s, client)
	if err != nil {
		t.Fatalf("handshake for %q: %v", client.ServerName, err)
	}
	return state.PeerCertificates[0]
}

// shake shakes hands with a server that serves s, and reads a byte, so that tickets arrive.
func shake(t testing.TB, s *Store, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	config := &tls.Config{Time: func() time.Time { return now }}
	s.Configure(config)
	return shakeWith(t, config, client)
}

func shakeWith(t testing.TB, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	client = client.Clone()
	client.InsecureSkipVerify = true
	a, b := connect(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn := tls.Server(b, server)
		conn.Write([]byte("x"))
		io.Copy(io.Discard, conn)
		b.Close() // not conn: after an alert comes nothing
	}()
	conn := tls.Client(a, client)
	_, err := io.ReadFull(conn, make([]byte, 1))
	a.Close()
	<-done
	return conn.ConnectionState(), err
}

// connect returns both ends of a connection over loopback. A net.Pipe won't do: it holds nothing, and in a resumed TLS
// 1.3 handshake both sides write at once.
func connect(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, l, err)
	defer l.Close()
	a, err = net.Dial("tcp", l.Addr().String())
	must(t, a, err)
	b, err = l.Accept()
	must(t, b, err)
	for _, c := range []net.Conn{a, b} {
		c.SetDeadline(time.Now().Add(10 * time.Second)) // a test that hangs fails
	}
	return a, b
}
