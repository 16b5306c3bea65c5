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

// Certificates returns all certificates of a PEM file that holds nothing else, as those of authorities do.
func Certificates(text []byte) (list []*x509.Certificate, err error) {
	blocks, err := Blocks(text)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		if !b.IsCertificate() {
			return nil, fmt.Errorf("line %d: %s among the certificates: only certificates are right here", b.Line, b.Type)
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

// IsCertificate reports whether b is a certificate, under any of the names that OpenSSL knows it by.
func (b Block) IsCertificate() bool {
	return b.Type == "CERTIFICATE" || b.Type == "X509 CERTIFICATE" || b.Type == trusted
}

const trusted = "TRUSTED CERTIFICATE"

// Certificate reads the certificate that b is.
func (b Block) Certificate() (*x509.Certificate, error) {
	if b.Type == trusted { // what OpenSSL adds to it may say that it is not to be trusted
		return nil, errors.New("it is a TRUSTED CERTIFICATE, which only OpenSSL reads: `openssl x509 -in FILE` writes it as a usual one")
	}
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		return nil, explain(b.Bytes, err)
	}
	return c, nil
}

// explain names a certificate that can't be read, as far as it can, and says what would cure it.
func explain(der []byte, err error) error {
	var c struct {
		TBS struct { // up to the name: what follows is not looked at
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

// Lacks says that text, a PEM file, has no block of a type, and of which types those are that it has.
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

// IsDER reports whether text is no text but begins as ASN.1 in DER does.
func IsDER(text []byte) bool {
	return len(text) > 1 && text[0] == 0x30 && text[1] >= 0x80 && !bytes.Contains(text, []byte("-----BEGIN"))
}
