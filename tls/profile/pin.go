package profile

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// A Pin is the SHA-256 of a public key, as SubjectPublicKeyInfo (RFC 7469, section 2.4). It stays the same when the
// certificate is renewed with the same key.
type Pin [sha256.Size]byte

const pinPrefix = "sha256//"

// PinOf returns the pin of c's key.
func PinOf(c *x509.Certificate) Pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

// String returns the pin as curl's --pinnedpubkey takes it: "sha256//BASE64".
func (p Pin) String() string { return pinPrefix + base64.StdEncoding.EncodeToString(p[:]) }

// MarshalText returns what String returns.
func (p Pin) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a pin in base64, with or without sha256// before it, or in hexadecimal, with or without colons.
func (p *Pin) UnmarshalText(text []byte) error {
	s := strings.TrimPrefix(string(text), pinPrefix)
	b, err := base64.StdEncoding.DecodeString(s)
	if digits := strings.ReplaceAll(s, ":", ""); len(digits) == hex.EncodedLen(len(p)) {
		b, err = hex.DecodeString(digits)
	}
	if err != nil || len(b) != len(p) {
		return fmt.Errorf(
			"%q is no pin: the SHA-256 of a public key is right, as sha256//BASE64 or 64 hexadecimal digits", text)
	}
	copy(p[:], b)
	return nil
}
