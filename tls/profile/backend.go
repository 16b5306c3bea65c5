package profile

import (
	"crypto/tls"
	"errors"
	"net/netip"
)

// A Backend is how TLS is spoken with backends. The zero value verifies them by the system's roots.
type Backend struct {
	MinVersion Version
	Roots      *Authorities // nil: the system's
	ServerName string       // sent as SNI and verified; "": what is passed to Config
	Protocols  []Protocol   // offered by ALPN; a backend that has none of them ends the handshake or ignores them
	// Certificate, if not nil, returns what to show a backend that asks for a certificate. It is a
	// tls.Config.GetClientCertificate.
	Certificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
	// Unverified takes any certificate for any name. Whoever is in between can then read and change everything.
	Unverified bool
}

// sessions is how many sessions are kept for one backend: each may be resumed once in TLS 1.3 (RFC 8446, appendix C.4).
const sessions = 64

// Config returns a Config of its own for the backend called name, a DNS name or an address, without port. It is made
// once and kept until the Roots change: the sessions to be resumed hang on it. An address is verified against the
// addresses in the certificate, and not sent as SNI.
func (b *Backend) Config(name string) (*tls.Config, error) {
	if b.ServerName != "" {
		name = b.ServerName
	}
	if name == "" && !b.Unverified {
		return nil, errors.New("the backend has no name to verify its certificate by, as it is a path: give one")
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		name = ip.WithZone("").String() // a zone is this machine's alone, and no certificate can name it
	}
	c := &tls.Config{
		MinVersion:           b.MinVersion.number(),
		RootCAs:              b.Roots.Pool(),
		ServerName:           name,
		NextProtos:           names(b.Protocols),
		GetClientCertificate: b.Certificate,
		InsecureSkipVerify:   b.Unverified,
		ClientSessionCache:   tls.NewLRUClientSessionCache(sessions),

		// What is passed on was written by somebody else, who had his reasons to write that much at once. Split into
		// records of one segment, as crypto/tls does with the first 128 KiB, an answer of 16 KiB is twelve system
		// calls. nginx and HAProxy do not, either.
		DynamicRecordSizingDisabled: true,
	}
	return c, checkProtocols(b.Protocols)
}
