package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// serverName is what the load asks for and the certificate is for.
const serverName = "bench.example"

// An identity is the key and the certificate that all programs end TLS with.
type identity struct {
	certFile, keyFile string // PEM; the names differ by the ".key" that HAProxy adds to find the key
	certificate       []byte // DER
}

// newIdentity makes an ECDSA P-256 key and a certificate that it signs itself, and writes both into dir.
func newIdentity(dir string) (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write down the key: %w", err)
	}
	template := &x509.Certificate{
		DNSNames:    []string{serverName},
		NotBefore:   time.Now().Add(-time.Hour),
		NotAfter:    time.Now().AddDate(0, 3, 0), // late enough that nobody warns of it
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	path := filepath.Join(dir, "identity.pem")
	id := &identity{certFile: path, keyFile: path + ".key", certificate: certificate}
	if err := writePEM(id.certFile, "CERTIFICATE", certificate); err != nil {
		return nil, err
	}
	return id, writePEM(id.keyFile, "PRIVATE KEY", keyDER)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
