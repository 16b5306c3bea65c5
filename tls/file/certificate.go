package file

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Certificates returns all certificates of a PEM file, such as one of authorities. It is an error if the file contains
// anything else.
func Certificates(text []byte) (list []*x509.Certificate, err error) {
	blocks, err := Blocks(text)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		if !b.IsCertificate() {
			return nil, fmt.Errorf("line %d: %s among the certificates: only certificates are right here", b.Line,
				b.Type)
		}
		c, err := b.Certificate()
		if err != nil {
			return nil, fmt.Errorf("certificate %d, line %d: %w", len(list)+1, b.Line, err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, Lacks(text, "CERTIFICATE", nil)
	}
	return list, nil
}

// IsCertificate reports whether b is a certificate, by any of the types that OpenSSL knows.
func (b Block) IsCertificate() bool {
	return b.Type == "CERTIFICATE" || b.Type == "X509 CERTIFICATE" || b.Type == trusted
}

const trusted = "TRUSTED CERTIFICATE"

// Certificate parses b as a certificate.
func (b Block) Certificate() (*x509.Certificate, error) {
	if b.Type == trusted { // OpenSSL may have added to it that it must not be trusted
		return nil, errors.New(
			"it is a TRUSTED CERTIFICATE, which only OpenSSL reads: `openssl x509 -in FILE` writes it as a usual one")
	}
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		return nil, explain(b.Bytes, err)
	}
	return c, nil
}

// explain adds to err the name of a certificate that can't be parsed, if there is one, and a cure where one is known.
func explain(der []byte, err error) error {
	var c struct {
		TBS struct { // up to the name; the rest is not read
			Version                    int `asn1:"optional,explicit,default:0,tag:0"`
			Serial                     *big.Int
			Algorithm, Issuer, Between asn1.RawValue
			Subject                    asn1.RawValue
		}
	}
	var name pkix.RDNSequence
	if _, wrong := asn1.Unmarshal(der, &c); wrong != nil {
		return err
	}
	if _, wrong := asn1.Unmarshal(c.TBS.Subject.FullBytes, &name); wrong != nil {
		return err
	}
	if c.TBS.Serial.Sign() < 0 {
		return fmt.Errorf("%q has the negative serial number %d, which no certificate may have (RFC 5280, section 4.1.2.2): have it issued anew, "+
			"or run with GODEBUG=x509negativeserial=1", name, c.TBS.Serial)
	}
	return fmt.Errorf("%q: %w", name, err)
}

// Lacks returns an error that says that text, a PEM file, has no block of type kind. others are the types of the blocks
// that it has.
func Lacks(text []byte, kind string, others []string) error {
	what := strings.ToLower(kind)
	switch {
	case IsDER(text):
		return fmt.Errorf("no %s in it that could be read, as it is binary (DER or PKCS #12): "+
			"`openssl x509`, `openssl pkey` and `openssl pkcs12` write PEM", what)
	case len(others) == 0:
		return fmt.Errorf("no %s in it, nor anything else in PEM (-----BEGIN %s-----)", what, kind)
	}
	slices.Sort(others)
	return fmt.Errorf("no %s in it, only %s", what, strings.Join(slices.Compact(others), ", "))
}

// IsDER reports whether text is not PEM and begins like ASN.1 in DER.
func IsDER(text []byte) bool {
	return len(text) > 1 && text[0] == 0x30 && text[1] >= 0x80 && !bytes.Contains(text, []byte("-----BEGIN"))
}
