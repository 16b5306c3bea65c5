package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"strings"

	"forebay/tls/file"
)

// A Holding is what a PEM file has in it of a pair, for those who put pairs together. A file that can't be read holds
// nothing.
type Holding struct {
	Key     bool     // a private key, though it may be one that can't be read
	leaf    []byte   // the public key of the first certificate (SubjectPublicKeyInfo); nil: there is none
	private [][]byte // those of the private keys
}

// HoldingOf returns what is in the file at path.
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

// FitsKeyOf reports whether the certificate of h is that of a private key of k.
func (h Holding) FitsKeyOf(k Holding) bool {
	for _, public := range k.private {
		if bytes.Equal(public, h.leaf) {
			return true
		}
	}
	return false
}

// publicOf returns the public key of a private one in DER, whichever form it has; nil: none that is known.
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
