package l4

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
)

// shown is how this side proved to a client who it is. It is zero in a resumed session: the ticket is the proof.
type shown struct {
	certificate *x509.Certificate
	scheme      string // how the handshake was signed, by its name in the IANA registry of TLS SignatureSchemes
}

// A witness is a transport of TLS that remembers what its client was shown.
type witness interface {
	net.Conn
	saw(shown)
}

// Witnessed returns a tls.Config.GetCertificate that serves what get does. With it in the Config of a Route, ProxySSL
// tells backends which certificate a client was shown, and which signature proved it; crypto/tls does not say so
// afterwards. A Config that has Certificates of its own may serve those unseen. RSA key exchange, which signs nothing,
// is not possible.
//
// The session learns of a certificate when the handshake is signed with its key. A certificate that was chosen and not
// used, as in TLS 1.2 before the ticket is looked at, was not shown.
func Witnessed(
	get func(*tls.ClientHelloInfo) (*tls.Certificate, error),
) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, err := get(hello)
		w, wants := hello.Conn.(witness)
		if c == nil || err != nil || !wants {
			return c, err
		}
		key, ok := c.PrivateKey.(crypto.Signer)
		if !ok {
			return c, nil // crypto/tls knows the right answer
		}
		served := *c
		served.PrivateKey = &witnessedKey{key, c, w}
		return &served, nil
	}
}

// A witnessedKey tells the witness when it signs.
type witnessedKey struct {
	crypto.Signer
	certificate *tls.Certificate
	witness     witness
}

// Sign signs a digest.
func (k *witnessedKey) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	k.tell(opts)
	return k.Signer.Sign(rand, digest, opts)
}

// SignMessage signs a message, as a key that does more than Sign may hash the message itself.
func (k *witnessedKey) SignMessage(rand io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	k.tell(opts)
	return crypto.SignMessage(k.Signer, rand, message, opts)
}

func (k *witnessedKey) tell(opts crypto.SignerOpts) {
	leaf := k.certificate.Leaf
	if leaf == nil {
		leaf, _ = x509.ParseCertificate(k.certificate.Certificate[0]) // the client will find the fault, if there is one
	}
	k.witness.saw(shown{leaf, schemeName(k.Public(), opts)})
}
