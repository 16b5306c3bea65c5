package certs

import (
	"bytes"
	"cmp"
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

	"forebay/tls/file"
)

// A Pair is a certificate and its key, as files that an operator names.
type Pair struct {
	Certificate string // PEM: the certificate, then the intermediate ones
	Key         string // PEM; "": in the same file
}

// String returns the files as errors name them.
func (p Pair) String() string {
	if p.KeyFile() == p.Certificate {
		return p.Certificate
	}
	return p.Certificate + " with key " + p.Key
}

// KeyFile returns the file that the key is in.
func (p Pair) KeyFile() string {
	if p.Key == "" {
		return p.Certificate
	}
	return p.Key
}

// A source is the files of a pair. They are read again when they change.
type source struct {
	Pair
	certificate, key file.Watched
}

func newSource(p Pair) *source {
	return &source{Pair: p, certificate: file.Watched{Path: p.Certificate}, key: file.Watched{Path: p.KeyFile()}}
}

// changed reports whether one of the files differs from what was read.
func (s *source) changed() bool {
	certificate, key := s.certificate.Changed(), s.key.Changed()
	return certificate || key
}

// load reads both files. The error says why the pair can't be served at the time now.
func (s *source) load(now time.Time) (*tls.Certificate, error) {
	chain, err := s.readChain()
	if err != nil {
		return nil, err
	}
	keys, err := s.readKeys()
	if err != nil && s.Key == "" {
		return nil, fmt.Errorf("%w; name the file of its key as well", err)
	}
	if err != nil {
		return nil, err
	}
	c, err := s.match(chain, keys)
	if err != nil {
		return nil, err
	}
	if err := checkTime(c.Leaf, now); err != nil {
		return nil, fmt.Errorf("certificate %s %w", s.Certificate, err)
	}
	if err := rehearse(c); err != nil {
		return nil, fmt.Errorf("%s: no client can use its key, which is %s: %w", s.Pair, kindOf(c.Leaf), err)
	}
	return c, nil
}

// readChain returns the certificates of the pair. Each of them can be parsed.
func (s *source) readChain() (chain []file.Block, err error) {
	text, err := s.certificate.Read()
	if err != nil {
		return nil, err
	}
	blocks, err := file.Blocks(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Certificate, err)
	}
	for _, b := range blocks {
		if !b.IsCertificate() {
			continue
		}
		if _, err := b.Certificate(); err != nil {
			return nil, fmt.Errorf("%s: certificate %d, line %d: %w", s.Certificate, len(chain)+1, b.Line, err)
		}
		chain = append(chain, b)
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("%s: %w", s.Certificate, file.Lacks(text, "CERTIFICATE", types(blocks)))
	}
	return chain, nil
}

// readKeys returns the private keys in the file of the key.
func (s *source) readKeys() (keys []file.Block, err error) {
	text, err := s.key.Read()
	if err != nil {
		return nil, err
	}
	blocks, err := file.Blocks(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.KeyFile(), err)
	}
	for _, b := range blocks {
		switch {
		case b.Encrypted():
			return nil, fmt.Errorf("%s: the private key is encrypted: `openssl pkey -in %s` writes it as it is needed",
				s.KeyFile(), s.KeyFile())
		case b.Type == "OPENSSH PRIVATE KEY":
			return nil, fmt.Errorf(
				"%s: the private key is one for SSH: `ssh-keygen -p -m PEM -f %s` writes it as it is needed",
				s.KeyFile(), s.KeyFile())
		case strings.HasSuffix(b.Type, "PRIVATE KEY"):
			keys = append(keys, b)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: %w", s.KeyFile(), file.Lacks(text, "PRIVATE KEY", types(blocks)))
	}
	return keys, nil
}

func types(blocks []file.Block) (all []string) {
	for _, b := range blocks {
		all = append(all, b.Type)
	}
	return all
}

// match puts the chain together with the key that fits it.
func (s *source) match(chain, keys []file.Block) (*tls.Certificate, error) {
	var text bytes.Buffer
	for _, b := range chain {
		pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: b.Bytes}) // whatever type it had in the file
	}
	var fault error
	for _, key := range keys {
		c, err := tls.X509KeyPair(text.Bytes(), pem.EncodeToMemory(&key.Block))
		if err == nil {
			return &c, nil
		}
		fault = cmp.Or(fault, err)
	}
	return nil, s.explain(fault, chain, keys)
}

// explain rewords an error of tls.X509KeyPair, and names the files. The most frequent fault is a key that belongs to
// another certificate.
func (s *source) explain(err error, chain, keys []file.Block) error {
	if !strings.Contains(err.Error(), "does not match") {
		return fmt.Errorf("%s: %w", s.Pair, err)
	}
	for i, b := range chain[1:] {
		certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.Bytes})
		if _, err := tls.X509KeyPair(certificate, pem.EncodeToMemory(&keys[0].Block)); err == nil {
			return fmt.Errorf(
				"the key in %s is that of certificate %d in %s: put this one first, before those that issued it",
				s.KeyFile(), i+2, s.Certificate)
		}
	}
	return fmt.Errorf("the key in %s is not that of the certificate in %s", s.KeyFile(), s.Certificate)
}

// checkTime returns an error if leaf is not valid at the time now (RFC 5280, section 4.1.2.5).
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

// namesOf returns the DNS names that leaf is for, sorted and in lower case, with wildcards as they are. A certificate
// without any subject alternative name is for its common name, as before RFC 6125.
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

// normal returns name in the form for look-ups: in lower case, without a dot at its end.
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

// errNothing is for a Store without pairs.
var errNothing = errors.New("no certificate is given: name a file with the certificate, and one with its key")
