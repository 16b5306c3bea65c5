package l4

import "crypto/x509"

// shown is how this side proved to a client who it is. It is zero in a resumed session: the ticket is the proof.
type shown struct {
	certificate *x509.Certificate
	scheme      string // how the handshake was signed, by its name in the IANA registry of TLS SignatureSchemes
}
