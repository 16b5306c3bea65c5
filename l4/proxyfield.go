package l4

import (
	"crypto/tls"
	"hash/crc32"
	"slices"

	"github.com/pires/go-proxyproto"

	"forebay/tls/sni"
)

// A ProxyField is a field of an operator's own in a version 2 header. The types 0xE0 to 0xEF are there for that, 0xF0
// to 0xF7 for experiments (PROXY protocol specification, section 2.2.8).
type ProxyField struct {
	Type  byte
	Value []byte
}

// clientFacts are what a version 2 header can tell of a client beside its addresses. What is not known is zero, and is
// not told.
type clientFacts struct {
	serverName string               // from a ClientHello that passes through, as sni.Hello has it
	tls        *tls.ConnectionState // where the client's TLS ends here
	shown      shown
	uniqueID   []byte
	namespace  string
	extra      []ProxyField
}

// fields returns the fields that are selected and known, in the specification's order (section 2.2), and the operator's
// own.
func (f *clientFacts) fields(selected ProxyTLV) []proxyproto.TLV {
	var w fieldWriter
	if selected&ProxyALPN != 0 && f.tls != nil {
		w.add(proxyproto.PP2_TYPE_ALPN, f.tls.NegotiatedProtocol)
	}
	if selected&ProxyAuthority != 0 {
		w.add(proxyproto.PP2_TYPE_AUTHORITY, f.authority())
	}
	if selected&ProxyUniqueID != 0 {
		w.add(proxyproto.PP2_TYPE_UNIQUE_ID, string(f.uniqueID))
	}
	if selected&ProxySSL != 0 && f.tls != nil {
		w.add(proxyproto.PP2_TYPE_SSL, string(f.ssl(selected)))
	}
	if selected&ProxyNetNS != 0 {
		w.add(proxyproto.PP2_TYPE_NETNS, f.namespace)
	}
	for _, x := range f.extra {
		w = append(w, proxyproto.TLV{Type: proxyproto.PP2Type(x.Type), Value: x.Value})
	}
	return w
}

// authority returns the name that the client asked for. Where TLS ends here it may have come in an Encrypted Client
// Hello, and nobody has checked that it is a name. So it is checked here: a backend that refused it would have that
// counted against it, and a backend that writes it into a header trusts it.
func (f *clientFacts) authority() string {
	if f.tls != nil {
		return sni.Name(f.tls.ServerName)
	}
	return f.serverName
}

// A fieldWriter collects fields.
type fieldWriter []proxyproto.TLV

// add adds a field, unless there is nothing to say.
func (w *fieldWriter) add(kind proxyproto.PP2Type, value string) {
	if value != "" {
		*w = append(*w, proxyproto.TLV{Type: kind, Value: []byte(value)})
	}
}

// passedOn returns the fields of the received header that our own header does not have. A checksum and padding belong
// to the header that they came in.
func passedOn(received, own []proxyproto.TLV) []proxyproto.TLV {
	return slices.DeleteFunc(slices.Clone(received), func(t proxyproto.TLV) bool {
		return t.Type == proxyproto.PP2_TYPE_CRC32C || t.Type == proxyproto.PP2_TYPE_NOOP ||
			slices.ContainsFunc(own, func(o proxyproto.TLV) bool { return o.Type == t.Type })
	})
}

// unsealed is the checksum's field before the checksum is known. It stands last, where sealProxyHeader finds it.
func unsealed() proxyproto.TLV {
	return proxyproto.TLV{Type: proxyproto.PP2_TYPE_CRC32C, Value: make([]byte, crc32.Size)}
}
