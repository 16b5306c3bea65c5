package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Pair is a certificate and its key, as files that an operator names.
type Pair struct {
	Certificate string // PEM: the certificate, then those between it and the root
	Key         string // PEM; "": in the same file
}

// String returns the files, as they are named in errors.
func (p Pair) String() string {
	if p.keyFile() == p.Certificate {
		return p.Certificate
	}
	return p.Certificate + " with key " + p.Key
}

func (p Pair) keyFile() string {
	if p.Key == "" {
		return p.Certificate
	}
	return p.Key
}

// load reads both files and says what is wrong with them, if it is fit to be served at the time now.
func (p Pair) load(read reader, now time.Time) (*tls.Certificate, error) {
	chain, err := read.blocks(p.Certificate, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	key, err := read.blocks(p.keyFile(), "PRIVATE KEY")
	if err != nil && p.Key == "" {
		return nil, fmt.Errorf("%w; name the file of its key as well", err)
	}
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, p.explain(err)
	}
	if err := checkTime(c.Leaf, now); err != nil {
		return nil, fmt.Errorf("certificate %s %w", p.Certificate, err)
	}
	return &c, nil
}

// A reader reads a whole file.
type reader func(path string) ([]byte, error)

// blocks reads a PEM file that must have a block of a type that ends in kind, and returns all such blocks.
func (read reader) blocks(file, kind string) ([]byte, error) {
	text, err := read(file)
	if err != nil {
		return nil, err
	}
	var found bytes.Buffer
	var others []string
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, fmt.Errorf("%s: the private key is encrypted: `openssl pkey -in %s` writes it as it is needed", file, file)
		case strings.HasSuffix(block.Type, kind):
			pem.Encode(&found, block)
		default:
			others = append(others, block.Type)
		}
	}
	if found.Len() == 0 {
		return nil, missing(file, kind, others)
	}
	return found.Bytes(), nil
}

// missing says that file has no block of a kind, and which it has.
func missing(file, kind string, others []string) error {
	what := strings.ToLower(kind)
	if len(others) == 0 {
		return fmt.Errorf("%s: no %s in it, nor anything else in PEM (-----BEGIN %s-----)", file, what, kind)
	}
	slices.Sort(others)
	return fmt.Errorf("%s: no %s in it, only %s", file, what, strings.Join(slices.Compact(others), ", "))
}

// explain puts an error of tls.X509KeyPair into words that name files. That a key belongs to another certificate is the commonest fault.
func (p Pair) explain(err error) error {
	if strings.Contains(err.Error(), "does not match") {
		return fmt.Errorf("the key in %s is not that of the certificate in %s", p.keyFile(), p.Certificate)
	}
	return fmt.Errorf("%s: %w", p, err)
}

// checkTime says whether leaf is valid at the time now (RFC 5280, section 4.1.2.5).
func checkTime(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("expired on %s", date(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("is valid from %s on only: is the clock right?", date(leaf.NotBefore))
	}
	return nil
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// namesOf returns the DNS names that leaf is for, in lower case, wildcards as they are. One without such names is for its common name, as
// it was before RFC 6125.
func namesOf(leaf *x509.Certificate) []string {
	names := leaf.DNSNames
	if len(names) == 0 && len(leaf.IPAddresses) == 0 && leaf.Subject.CommonName != "" {
		names = []string{leaf.Subject.CommonName}
	}
	lower := make([]string, len(names))
	for i, n := range names {
		lower[i] = normal(n)
	}
	slices.Sort(lower)
	return slices.Compact(lower)
}

// normal returns name in the form that it is looked up in.
func normal(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// kindOf names the kind of a certificate's key.
func kindOf(leaf *x509.Certificate) string {
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unknown"
}

// errNothing is for a Store of no pairs.
var errNothing = errors.New("no certificate is given: name a file with the certificate, and one with its key")
