package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"strings"

	"forebay/tls/file"
)

// A Holding says which parts of a pair a PEM file contains. A file that can't be read contains none.
type Holding struct {
	Key     bool     // a private key, even one that can't be read
	leaf    []byte   // the public key of the first certificate (SubjectPublicKeyInfo); nil: no certificate
	private [][]byte // the public keys of the private keys
}

// HoldingOf returns the Holding of the file at path.
func HoldingOf(path string) (h Holding) {
	text, err := file.Read(path)
	if err != nil {
		return h
	}
	blocks, err := file.Blocks(text)
	if err != nil {
		return h
	}
	for _, b := range blocks {
		switch {
		case strings.HasSuffix(b.Type, "PRIVATE KEY"):
			h.Key = true
			if public := publicOf(b.Bytes); public != nil {
				h.private = append(h.private, public)
			}
		case b.IsCertificate() && h.leaf == nil:
			if c, err := b.Certificate(); err == nil {
				h.leaf = c.RawSubjectPublicKeyInfo
			}
		}
	}
	return h
}

// FitsKeyOf reports whether the certificate of h belongs to a private key of k.
func (h Holding) FitsKeyOf(k Holding) bool {
	for _, public := range k.private {
		if bytes.Equal(public, h.leaf) {
			return true
		}
	}
	return false
}

// publicOf returns the public key of a private key in DER, whichever of the usual forms that has; nil where it has none
// of them.
func publicOf(der []byte) []byte {
	var key any
	if rsaKey, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		key = rsaKey
	} else if ecKey, err := x509.ParseECPrivateKey(der); err == nil {
		key = ecKey
	} else if key, err = x509.ParsePKCS8PrivateKey(der); err != nil {
		return nil
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil
	}
	public, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil
	}
	return public
}
