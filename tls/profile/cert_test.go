package profile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// trusting returns the authorities that identities are.
func trusting(all ...*identity) *Authorities {
	a := new(Authorities)
	var list []*x509.Certificate
	for _, i := range all {
		list = append(list, i.leaf)
	}
	a.use(list)
	return a
}

// listing is trusting for certificates.
func listing(list []*x509.Certificate) *Authorities {
	a := new(Authorities)
	a.use(list)
	return a
}

// An identity is a certificate with its key and who has issued it.
type identity struct {
	leaf *x509.Certificate
	key  *ecdsa.PrivateKey
	up   []*x509.Certificate // what goes with it
}

// newAuthority makes an authority, under parent if that is not nil.
func newAuthority(t testing.TB, name string, parent *identity) *identity {
	return issue(t, parent, &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId:          []byte(name),
	})
}

// client issues a client certificate with some of each kind of name.
func (a *identity) client(t testing.TB, name string) *identity {
	return issue(t, a, &x509.Certificate{
		Subject:        pkix.Name{CommonName: name},
		DNSNames:       []string{name + ".example"},
		URIs:           []*url.URL{{Scheme: "spiffe", Host: "example", Path: "/" + name}},
		EmailAddresses: []string{name + "@example.org"},
		ExtKeyUsage:    []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (a *identity) server(t testing.TB, names ...string) *identity {
	return issue(t, a, &x509.Certificate{DNSNames: names, IPAddresses: []net.IP{{127, 0, 0, 1}, net.ParseIP("fe80::1")}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
}

func issue(t testing.TB, parent *identity, template *x509.Certificate) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	i := &identity{key: must(t, key, err)}
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	must(t, 0, err)
	template.NotBefore = time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	above, signer := template, key
	if parent != nil {
		above, signer = parent.leaf, parent.key
		i.up = append([]*x509.Certificate{parent.leaf}, parent.up...)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, above, key.Public(), signer)
	must(t, der, err)
	i.leaf, err = x509.ParseCertificate(der)
	must(t, 0, err)
	return i
}

// signedBy makes a certificate of another authority for the same name and key.
func (i *identity) signedBy(t testing.TB, other *identity) *identity {
	t.Helper()
	template := *i.leaf
	template.SerialNumber = new(big.Int).Add(i.leaf.SerialNumber, big.NewInt(1))
	template.AuthorityKeyId = nil
	der, err := x509.CreateCertificate(rand.Reader, &template, other.leaf, i.key.Public(), other.key)
	leaf, err := x509.ParseCertificate(must(t, der, err))
	return &identity{key: i.key, leaf: must(t, leaf, err)}
}

func (i *identity) certificate() tls.Certificate {
	c := tls.Certificate{Certificate: [][]byte{i.leaf.Raw}, PrivateKey: i.key, Leaf: i.leaf}
	for _, u := range i.up {
		c.Certificate = append(c.Certificate, u.Raw)
	}
	return c
}

// revoke makes a list that says so of some certificates.
func (i *identity) revoke(t testing.TB, next time.Time, revoked ...*identity) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: next}
	for _, r := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: r.leaf.SerialNumber, RevocationTime: list.ThisUpdate})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, i.leaf, i.key)
	return must(t, der, err)
}

// write replaces a file, as a careful tool does, and returns its path.
func write(t testing.TB, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, 0, os.WriteFile(path+".new", text, 0o600))
	must(t, 0, os.Rename(path+".new", path))
	return path
}

func encode(kind string, ders ...[]byte) (text []byte) {
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	return text
}

// shake shakes hands and passes a byte each way, so that each side has seen all that the other has to say of the
// handshake.
func shake(t testing.TB, server, client *tls.Config) (state tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	a, b := connect(t)
	done := make(chan error, 1)
	go func() {
		defer b.Close()
		conn := tls.Server(b, server)
		_, err := io.ReadFull(conn, make([]byte, 1))
		if err == nil {
			_, err = conn.Write([]byte("x"))
		}
		done <- err
	}()
	conn := tls.Client(a, client)
	_, clientErr = conn.Write([]byte("x"))
	if clientErr == nil {
		_, clientErr = io.ReadFull(conn, make([]byte, 1))
	}
	a.Close()
	return conn.ConnectionState(), <-done, clientErr
}

// connect returns both ends of a connection over loopback. A net.Pipe holds nothing, and in a resumed handshake both
// sides write at once.
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

// A house has an authority, a server and what a client needs to trust it.
type house struct {
	authority *identity
	server    *identity
}

func newHouse(t testing.TB) *house {
	a := newAuthority(t, "authority", nil)
	return &house{a, a.server(t, "a.example", "public.example")}
}

// config makes a listener's Config.
func (h *house) config(t testing.TB, s Server) *tls.Config {
	t.Helper()
	c, err := s.Config()
	must(t, c, err)
	c.Certificates = []tls.Certificate{h.server.certificate()}
	return c
}

// client returns a client that shows the certificate of i, if not nil.
func (h *house) client(i *identity) *tls.Config {
	c := &tls.Config{ServerName: "a.example", RootCAs: trusting(h.authority).Pool()}
	if i != nil {
		c.Certificates = []tls.Certificate{i.certificate()}
	}
	return c
}
