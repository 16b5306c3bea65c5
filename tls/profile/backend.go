package profile

import (
	"crypto/tls"
	"errors"
	"net/netip"
)

// A Backend is the configuration of TLS with backends. The zero value verifies them by the system's roots.
type Backend struct {
	MinVersion Version
	Roots      *Authorities // nil: the system's
	ServerName string       // sent as SNI and verified; "": the name that is passed to Config
	Protocols  []Protocol   // offered by ALPN; a backend that has none of them ends the handshake or ignores them
	// Certificate, if not nil, returns the certificate for a backend that asks for one. It is a
	// tls.Config.GetClientCertificate.
	Certificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
	// Unverified accepts any certificate for any name. Then anybody on the way can read and change everything.
	Unverified bool
}

// sessions is how many sessions are kept for one backend: each may be resumed once in TLS 1.3 (RFC 8446, appendix C.4).
const sessions = 64

// Config returns a new Config for the backend called name: a DNS name or an address, without port. The caller should
// keep it until the Roots change, since it holds the sessions that can be resumed. An address is verified against the
// addresses in the certificate, and is not sent as SNI.
func (b *Backend) Config(name string) (*tls.Config, error) {
	if b.ServerName != "" {
		name = b.ServerName
	}
	if name == "" && !b.Unverified {
		return nil, errors.New("the backend has no name to verify its certificate by, as it is a path: give one")
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		name = ip.WithZone("").String() // a zone has a meaning on this machine only, and is in no certificate
	}
	c := &tls.Config{
		MinVersion:           b.MinVersion.number(),
		RootCAs:              b.Roots.Pool(),
		ServerName:           name,
		NextProtos:           names(b.Protocols),
		GetClientCertificate: b.Certificate,
		InsecureSkipVerify:   b.Unverified,
		ClientSessionCache:   tls.NewLRUClientSessionCache(sessions),

		// crypto/tls would split the first 128 KiB into records of one segment. An answer of 16 KiB would then take
		// twelve system calls. nginx and HAProxy do not split, either.
		DynamicRecordSizingDisabled: true,
	}
	return c, checkProtocols(b.Protocols)
}
