package accesslog

import (
	"crypto/tls"
	"fmt"

	"forebay/l4"
)

// tls writes what TLS was spoken with one side: in JSON as an object, in text as fields whose names begin with name.
func (l line) tls(name string, t *l4.TLSInfo) line {
	if *t == (l4.TLSInfo{}) {
		return l.null(name)
	}
	if l.format == Text {
		return l.members(name+"_", t)
	}
	l = l.key(name)
	l.text = append(l.text, '{')
	l = l.members("", t)
	l.text = append(l.text, '}')
	return l
}

func (l line) members(prefix string, t *l4.TLSInfo) line {
	handshake := t.Took
	if t.Version == 0 {
		handshake = absent
	}
	return l.string(prefix+"version", versionName(t.Version)).
		string(prefix+"cipher", cipherName(t.CipherSuite)).
		string(prefix+"alpn", t.Protocol).
		truth(prefix+"resumed", t.Resumed).
		truth(prefix+"ech", t.ECH).
		string(prefix+"subject", t.Subject).
		seconds(prefix+"handshake", handshake).
		string(prefix+"fault", t.Fault)
}

func (l line) truth(name string, is bool) line {
	switch {
	case is:
		l = l.key(name)
		l.text = append(l.text, "true"...)
	case l.format == JSON:
		l = l.key(name)
		l.text = append(l.text, "false"...)
	}
	return l
}

// versionName is the version without the word TLS.
func versionName(v uint16) string {
	switch v {
	case 0:
		return ""
	case tls.VersionTLS12:
		return "1.2"
	case tls.VersionTLS13:
		return "1.3"
	}
	return fmt.Sprintf("%#04x", v)
}

// cipherNames has the name of each suite that crypto/tls speaks (IANA, TLS Cipher Suites). tls.CipherSuiteName makes a
// list of all each time.
var cipherNames = func() map[uint16]string {
	names := map[uint16]string{0: ""}
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		names[c.ID] = c.Name
	}
	return names
}()

func cipherName(id uint16) string {
	if name, ok := cipherNames[id]; ok {
		return name
	}
	return fmt.Sprintf("%#04x", id)
}
