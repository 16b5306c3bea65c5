package l4test

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
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A KeyKind is a kind of key.
type KeyKind int

const (
	ECDSA KeyKind = iota // on P-256
	RSA                  // of 2048 bits
	Ed25519
)

// An Authority issues certificates, for tests alone. Its files are gone when the test has ended.
type Authority struct {
	tb          testing.TB
	dir         string
	key         crypto.Signer
	Certificate *x509.Certificate
	File        string // PEM
}

// NewAuthority makes one, with a certificate of its own.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	dir, err := os.MkdirTemp("", "authority")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	a := &Authority{tb: tb, dir: dir, key: newKey(tb, ECDSA)}
	template := template("test authority " + filepath.Base(dir))
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	a.Certificate = a.sign(template, template, a.key)
	a.File = a.write("authority.pem", "CERTIFICATE", a.Certificate.Raw)
	return a
}

// A Leaf is what a certificate is to say. The zero value is one that nobody can be served with.
type Leaf struct {
	Names      []string // DNS names, wildcards and addresses
	CommonName string
	Key        KeyKind
	NotAfter   time.Time // zero: three months from now
}

// An Identity is a certificate and its key.
type Identity struct {
	tls.Certificate
	CertFile, KeyFile string // PEM, readable for all
}

// Issue makes an Identity that may be a server's and a client's. Its files are called after name, and take the place of
// earlier ones.
func (a *Authority) Issue(name string, l Leaf) *Identity {
	a.tb.Helper()
	t := template(l.CommonName)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	t.CRLDistributionPoints = []string{"http://crl.invalid/"}
	if !l.NotAfter.IsZero() {
		t.NotAfter = l.NotAfter
	}
	for _, name := range l.Names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	key := newKey(a.tb, l.Key)
	leaf := a.sign(t, a.Certificate, key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.tb.Fatal(err)
	}
	return &Identity{
		Certificate: tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf},
		CertFile:    a.write(name+".pem", "CERTIFICATE", leaf.Raw),
		KeyFile:     a.write(name+".key", "PRIVATE KEY", der),
	}
}

// Revoke writes a list (RFC 5280, section 5) of these certificates, and returns the file.
func (a *Authority) Revoke(all ...*Identity) string {
	a.tb.Helper()
	list := &x509.RevocationList{Number: big.NewInt(time.Now().UnixNano()), ThisUpdate: time.Now().Add(-time.Hour),
		NextUpdate: time.Now().Add(time.Hour)}
	for _, i := range all {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: i.Leaf.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.Certificate, a.key)
	if err != nil {
		a.tb.Fatal(err)
	}
	return a.write("revoked.pem", "X509 CRL", der)
}

// Client is how a client that trusts a asks for a name, and shows what it has.
func (a *Authority) Client(name string, has ...*Identity) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(a.Certificate)
	return &tls.Config{ServerName: name, RootCAs: roots, Certificates: certificates(has)}
}

// Server is how a server shows what it has.
func (i *Identity) Server() *tls.Config {
	return &tls.Config{Certificates: certificates([]*Identity{i})}
}

func certificates(of []*Identity) (all []tls.Certificate) {
	for _, i := range of {
		all = append(all, i.Certificate)
	}
	return all
}

// template is what all certificates of the tests have in common.
func template(commonName string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes([]byte(rand.Text())[:16]),
		Subject:      pkix.Name{CommonName: commonName},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(0, 3, 0),
	}
}

func (a *Authority) sign(t, parent *x509.Certificate, key crypto.Signer) *x509.Certificate {
	a.tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), a.key)
	if err != nil {
		a.tb.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.tb.Fatal(err)
	}
	return c
}

// write puts a file in place as a whole, so that nobody reads half of it.
func (a *Authority) write(name, kind string, der []byte) string {
	a.tb.Helper()
	path := filepath.Join(a.dir, name)
	err := os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		a.tb.Fatal(err)
	}
	return path
}

func newKey(tb testing.TB, kind KeyKind) crypto.Signer {
	tb.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case RSA:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case Ed25519:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return key
}
