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

// unverified is the result of verification where the client showed no certificate or none that was looked into. The specification wants
// any number but zero; in OpenSSL this one is X509_V_ERR_UNSPECIFIED.
const unverified = 1

// ssl returns the value of the field SSL: what the client showed, whether it was verified, and what TLS was spoken with it.
func (f *clientFacts) ssl(selected ProxyTLV) []byte {
	b := binary.BigEndian.AppendUint32([]byte{clientBits(f.tls)}, verifyResult(f.tls))
	for _, t := range f.sslFields(selected) {
		b = binary.BigEndian.AppendUint16(append(b, byte(t.Type)), uint16(len(t.Value)))
		b = append(b, t.Value...)
	}
	return b
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

// mostSSLValue is the longest value of a field inside the field SSL. A header is at most 64 KiB long; who shows a certificate that has no
// room in there is served without it being told.
const mostSSLValue = 16 << 10

// sslFields returns the fields inside the field SSL. Of the certificate and the signature nothing is said in a resumed session: none was
// shown, none was made. Of a client with several common names the last one is told, which is also what an allow list compares.
func (f *clientFacts) sslFields(selected ProxyTLV) []proxyproto.TLV {
	var w fieldWriter
	w.add(proxyproto.PP2_SUBTYPE_SSL_VERSION, versionName(f.tls.Version))
	if peer := f.tls.PeerCertificates; len(peer) > 0 {
		w.addShort(proxyproto.PP2_SUBTYPE_SSL_CN, peer[0].Subject.CommonName)
	}
	w.add(proxyproto.PP2_SUBTYPE_SSL_CIPHER, cipherName(f.tls.CipherSuite))
	if c := f.shown.certificate; c != nil {
		w.add(proxyproto.PP2_SUBTYPE_SSL_SIG_ALG, signatureName(c.SignatureAlgorithm))
		w.add(proxyproto.PP2_SUBTYPE_SSL_KEY_ALG, keyName(c.PublicKey))
	}
	w.add(proxyproto.PP2_SUBTYPE_SSL_GROUP, groupName(f.tls.CurveID))
	w.add(proxyproto.PP2_SUBTYPE_SSL_SIG_SCHEME, f.shown.scheme)
	if peer := f.tls.PeerCertificates; len(peer) > 0 && selected&ProxyClientCert != 0 {
		w.addShort(proxyproto.PP2_SUBTYPE_SSL_CLIENT_CERT, string(peer[0].Raw))
	}
	return w
}

// addShort adds a field that a client decides on, unless it is too long.
func (w *fieldWriter) addShort(kind proxyproto.PP2Type, value string) {
	if len(value) <= mostSSLValue {
		w.add(kind, value)
	}
}
