package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A folder holds the files of a test's TLS.
type folder struct {
	t   testing.TB
	dir string
}

func newFolder(t testing.TB) folder { return folder{t, t.TempDir()} }

// An identity is a certificate with its key.
type identity struct {
	leaf *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

// write replaces a file, as a careful tool does.
func (f folder) write(name string, blocks ...*pem.Block) {
	f.t.Helper()
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(b)...)
	}
	f.writeText(name, text)
}

func (f folder) writeText(name string, text []byte) {
	f.t.Helper()
	if err := os.WriteFile(f.path(name+".new"), text, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.path(name+".new"), f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

// authority makes an authority.
func (f folder) authority(name string) *identity {
	i := f.issue(nil, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte(name)})
	f.write(name+".pem", i.certificate())
	return i
}

// pair makes NAME.pem and NAME.key for some names, signed by authority or by itself, that is valid for so long. Names
// with an @ are e-mail addresses.
func (f folder) pair(name string, authority *identity, valid time.Duration, names ...string) *identity {
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(valid),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, n := range names {
		switch ip := net.ParseIP(n); {
		case ip != nil:
			template.IPAddresses = append(template.IPAddresses, ip)
		case strings.Contains(n, "@"):
			template.EmailAddresses = append(template.EmailAddresses, n)
		default:
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	i := f.issue(authority, template)
	f.write(name+".pem", i.certificate())
	f.write(name+".key", i.private(f.t))
	return i
}

func (f folder) issue(by *identity, template *x509.Certificate) *identity {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		f.t.Fatal(err)
	}
	template.NotBefore = time.Now().Add(-80 * 24 * time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(365 * 24 * time.Hour)
	}
	if by == nil {
		by = &identity{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.leaf, key.Public(), by.key)
	if err != nil {
		f.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		f.t.Fatal(err)
	}
	return &identity{leaf, key}
}

func (i *identity) certificate() *pem.Block {
	return &pem.Block{Type: "CERTIFICATE", Bytes: i.leaf.Raw}
}

func (i *identity) private(t testing.TB) *pem.Block {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return &pem.Block{Type: "PRIVATE KEY", Bytes: der}
}

// trusts returns a client's configuration that trusts the authority, asks for name, and has some certificates.
func (i *identity) trusts(name string, own ...*identity) *tls.Config {
	c := &tls.Config{ServerName: name, RootCAs: x509.NewCertPool()}
	c.RootCAs.AddCert(i.leaf)
	for _, o := range own {
		c.Certificates = append(c.Certificates, tls.Certificate{Certificate: [][]byte{o.leaf.Raw}, PrivateKey: o.key})
	}
	return c
}

// args splits a command line, with the folder for each $D.
func (f folder) args(line string) []string {
	return strings.Fields(strings.ReplaceAll(line, "$D", f.dir))
}

// year and others are how long certificates are valid from now.
const (
	year = 365 * 24 * time.Hour
	week = 7 * 24 * time.Hour
	past = -time.Hour
)
