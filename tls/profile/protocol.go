package profile

import (
	"fmt"
	"slices"
)

// A Protocol is a name for ALPN, as registered (RFC 7301, section 6) or private: "h2", "http/1.1", "postgresql".
type Protocol string

// slips are frequent wrong spellings of registered names, with the right ones.
var slips = map[string]string{
	"http2": "h2", "http/2": "h2", "HTTP/2": "h2", "H2": "h2", "http/2.0": "h2",
	"http": "http/1.1", "https": "http/1.1", "http1": "http/1.1", "http1.1": "http/1.1", "http/1": "http/1.1",
	"HTTP/1.1": "http/1.1", "h1": "http/1.1",
	"http3": "h3", "http/3": "h3", "postgres": "postgresql", "POSTGRESQL": "postgresql", "acme-tls": "acme-tls/1",
}

// Registered returns the names in IANA's registry "TLS Application-Layer Protocol Negotiation (ALPN) Protocol IDs".
// Other names are private, or newer than this list.
func Registered() []string {
	return []string{
		"http/1.1", "h2", "h3", "http/1.0", "http/0.9", "h2c", "spdy/1", "spdy/2", "spdy/3",
		"stun.turn", "stun.nat-discovery", "webrtc", "c-webrtc", "ftp", "imap", "pop3", "managesieve", "coap", "co",
		"xmpp-client", "xmpp-server", "acme-tls/1", "mqtt", "dot", "doq", "ntske/1", "sunrpc", "smb", "irc", "nntp",
		"nnsp",
		"sip/2", "tds/8.0", "dicom", "postgresql", "radius/1.0", "radius/1.1",
	}
}

// UnmarshalText reads 1 to 255 printable bytes. A wrong spelling of a registered name is an error: handshakes fail with
// a protocol that no client offers.
func (p *Protocol) UnmarshalText(text []byte) error {
	if right, ok := slips[string(text)]; ok {
		return fmt.Errorf("ALPN protocol %q is not what clients call it: write %s", text, right)
	}
	if n := len(text); n == 0 || n > 255 {
		return fmt.Errorf("ALPN protocol %q has %d bytes: 1 to 255 are right", text, n)
	}
	if slices.ContainsFunc(text, func(c byte) bool { return c <= ' ' || c > '~' || c == ',' }) {
		return fmt.Errorf("ALPN protocol %q: only printable bytes, without blanks and commas, are right", text)
	}
	*p = Protocol(text)
	return nil
}

// names returns protocols as crypto/tls takes them. For none it returns nil: then none is offered or selected.
func names(protocols []Protocol) (list []string) {
	for _, p := range protocols {
		list = append(list, string(p))
	}
	return list
}

// checkProtocols refuses one that is listed twice.
func checkProtocols(protocols []Protocol) error {
	for i, p := range protocols {
		if slices.Contains(protocols[:i], p) {
			return fmt.Errorf("ALPN protocol %q is given twice", string(p))
		}
	}
	return nil
}
