package l4

import (
	"crypto/tls"
	"encoding/binary"

	"github.com/pires/go-proxyproto"
)

// What the first byte of the field SSL is made of (specification, section 2.2.6).
const (
	clientSpokeTLS    = 1 << iota // PP2_CLIENT_SSL
	clientCertConn                // PP2_CLIENT_CERT_CONN: it showed a certificate on this connection
	clientCertSession             // PP2_CLIENT_CERT_SESS: or on an earlier one of the same TLS session
)

// unverified is the result of verification where the client showed no certificate, or one that was not looked into. The
// specification asks for any number but zero; in OpenSSL this one is X509_V_ERR_UNSPECIFIED.
const unverified = 1

// ssl returns the value of the field SSL: what the client showed, whether it was verified, and fields inside. A resumed
// session has no fields about our certificate and the signature, as none was shown or made. Of several common names of
// a client the last is told, which is also the one that an allow list compares.
func (f *clientFacts) ssl(selected ProxyTLV) []byte {
	state, ours := f.tls, f.shown.certificate
	b := binary.BigEndian.AppendUint32([]byte{clientBits(state)}, verifyResult(state))
	b = appendField(b, proxyproto.PP2_SUBTYPE_SSL_VERSION, versionName(state.Version))
	if peer := state.PeerCertificates; len(peer) > 0 {
		b = appendField(b, proxyproto.PP2_SUBTYPE_SSL_CN, peer[0].Subject.CommonName)
	}
	b = appendField(b, proxyproto.PP2_SUBTYPE_SSL_CIPHER, cipherName(state.CipherSuite))
	if ours != nil {
		b = appendField(b, proxyproto.PP2_SUBTYPE_SSL_SIG_ALG, signatureName(ours.SignatureAlgorithm))
		b = appendField(b, proxyproto.PP2_SUBTYPE_SSL_KEY_ALG, keyName(ours.PublicKey))
	}
	b = appendField(b, proxyproto.PP2_SUBTYPE_SSL_GROUP, groupName(state.CurveID))
	b = appendField(b, proxyproto.PP2_SUBTYPE_SSL_SIG_SCHEME, f.shown.scheme)
	if peer := state.PeerCertificates; len(peer) > 0 && selected&ProxyClientCert != 0 {
		b = appendField(b, proxyproto.PP2_SUBTYPE_SSL_CLIENT_CERT, string(peer[0].Raw))
	}
	return b
}

// mostSSLValue is the longest value of a field inside the field SSL. A header is at most 64 KiB long. A name or a
// certificate of a client that has no room in it is left out, and the client is served.
const mostSSLValue = 16 << 10

// appendField adds a field to b, unless its value is empty or too long.
func appendField(b []byte, kind proxyproto.PP2Type, value string) []byte {
	if value == "" || len(value) > mostSSLValue {
		return b
	}
	b = binary.BigEndian.AppendUint16(append(b, byte(kind)), uint16(len(value)))
	return append(b, value...)
}

func clientBits(state *tls.ConnectionState) byte {
	switch {
	case len(state.PeerCertificates) == 0:
		return clientSpokeTLS
	case state.DidResume: // the certificate is the one that the ticket remembers
		return clientSpokeTLS | clientCertSession
	}
	return clientSpokeTLS | clientCertConn | clientCertSession
}

func verifyResult(state *tls.ConnectionState) uint32 {
	if len(state.VerifiedChains) == 0 {
		return unverified
	}
	return 0
}
