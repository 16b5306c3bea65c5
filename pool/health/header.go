package health

// A Header is the PROXY protocol header that a probe begins with. It says that the connection is the balancer's own:
// LOCAL in version 2, UNKNOWN in version 1. So a server that demands a header accepts the check. The zero Header sends
// none.
type Header uint8

// The versions of the protocol (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
const (
	NoHeader Header = iota
	HeaderV1
	HeaderV2
)

const (
	// localV1 is the line of section 2.1 for a connection without addresses.
	localV1 = "PROXY UNKNOWN\r\n"
	// localV2 is section 2.2's signature, version 2 with the command LOCAL, the family AF_UNSPEC, and no more bytes.
	localV2 = "\r\n\r\n\x00\r\nQUIT\n" + "\x20" + "\x00" + "\x00\x00"
)

// bytes returns the bytes to send.
func (h Header) bytes() string {
	switch h {
	case HeaderV1:
		return localV1
	case HeaderV2:
		return localV2
	}
	return ""
}

// String returns "off", "v1" or "v2", as UnmarshalText reads it.
func (h Header) String() string {
	switch h {
	case HeaderV1:
		return "v1"
	case HeaderV2:
		return "v2"
	}
	return "off"
}
