package certs

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// A Doubt is why some or all clients may refuse a certificate that crypto/tls serves without complaint.
type Doubt struct {
	Pair Pair
	Why  string
}

// Doubts returns the doubts at the time now, in the order of the pairs.
func (s *Store) Doubts(now time.Time) (all []Doubt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		for _, why := range doubts(e.serving, now) {
			all = append(all, Doubt{e.Pair, why})
		}
	}
	return all
}

// leastRSA is the fewest bits of an RSA key that clients accept (CA/Browser Forum, Baseline Requirements, section
// 6.1.5; OpenSSL's security level 2).
const leastRSA = 2048

func doubts(c *tls.Certificate, now time.Time) (all []string) {
	if key, ok := c.Leaf.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < leastRSA {
		all = append(all, fmt.Sprintf("its key has %d bits, and clients want %d of RSA", key.N.BitLen(), leastRSA))
	}
	if len(c.Leaf.DNSNames)+len(c.Leaf.IPAddresses) == 0 {
		all = append(all,
			"it has no name or address among its subject alternative names, and clients look nowhere else (RFC 9525)")
	}
	var above *x509.Certificate
	for i := len(c.Certificate) - 1; i >= 0; i-- {
		one, err := x509.ParseCertificate(c.Certificate[i])
		if err != nil {
			return all // it was refused when it was loaded
		}
		if above != nil && !bytes.Equal(one.RawIssuer, above.RawSubject) {
			all = append(all, fmt.Sprintf("certificate %d in its file has not issued the one before it, and some clients want them in this order", i+2))
		}
		if i > 0 && now.After(one.NotAfter) {
			all = append(all, fmt.Sprintf("certificate %d in its file expired on %s", i+1, date(one.NotAfter)))
		}
		if isWeak(one.SignatureAlgorithm) && !bytes.Equal(one.RawIssuer, one.RawSubject) {
			all = append(all, fmt.Sprintf("certificate %d in its file is signed with %s, which clients refuse", i+1,
				one.SignatureAlgorithm))
		}
		above = one
	}
	return all
}

func isWeak(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}
