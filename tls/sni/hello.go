package sni

import (
	"errors"
	"slices"
)

// MaxSize is how many bytes of a connection a Parser reads at most, record headers included. A hello of today's
// browsers has about 1,800.
const MaxSize = 64 << 10

// The errors of Parse. Those that are ErrMalformed or ErrNotTLS may say more: compare with errors.Is.
var (
	ErrMore      = errors.New("the ClientHello is not complete yet")
	ErrNotTLS    = errors.New("not TLS: the first bytes are no handshake record")
	ErrTooLarge  = errors.New("the ClientHello takes more than 64 KiB of the connection")
	ErrMalformed = errors.New("malformed ClientHello")
)

// A Hello is what a ClientHello says about where the client wants to go (RFC 8446, section 4.1.2). Where the client
// uses Encrypted Client Hello, it is the outer one.
type Hello struct {
	// ServerName is the DNS name of the server_name extension (RFC 6066, section 3), in lower case and without a dot at
	// its end. It is empty where there is none, and where the extension holds something else, such as an IP address.
	ServerName string
	// Dotted tells that the name had a dot at its end, which no client may send. crypto/tls refuses it, and nginx
	// removes the dot.
	Dotted bool
	// Odd tells that the extension holds neither a DNS name nor an IP address. Servers read such texts differently:
	// nginx removes a port, and Java reads fullwidth letters as ASCII letters. So a caller that refuses some names must
	// refuse these as well.
	Odd bool
	// Protocols are those of the ALPN extension (RFC 7301, section 3.1), in the client's order.
	Protocols []string
	// Versions are those of the supported_versions extension (RFC 8446, section 4.2.1), in the client's order. Without
	// the extension it is the one version in the hello. Values without a meaning (GREASE, RFC 8701) are left in.
	Versions []uint16
	// ECH tells that there is an encrypted_client_hello extension (RFC 9849, section 5). It may be GREASE, which looks
	// the same.
	ECH bool
}

// Numbers of extensions (IANA, TLS ExtensionType Values).
const (
	extServerName        = 0
	extALPN              = 16
	extSupportedVersions = 43
	extECH               = 0xfe0d
)

// known are the extensions that are read.
var known = [...]int{extServerName, extALPN, extSupportedVersions, extECH}

// readHello reads a ClientHello after its handshake header. A length that does not fit sets c.broken.
func readHello(c *cursor) (Hello, error) {
	version := uint16(c.uint16())
	c.skip(32)        // random
	c.skip(c.uint8()) // legacy_session_id
	suites := c.uint16()
	c.skip(suites)
	c.skip(c.uint8()) // legacy_compression_methods
	var h Hello
	if c.left > 0 && !c.broken { // up to TLS 1.2 there may be no extensions (RFC 5246, section 7.4.1.2)
		if err := h.readExtensions(c); err != nil {
			return Hello{}, err
		}
	}
	if c.broken || suites%2 != 0 {
		return Hello{}, malformed("a length in it does not fit")
	}
	if h.Versions == nil {
		h.Versions = []uint16{version}
	}
	return h, nil
}

// readExtensions reads the extensions, which must be the rest of the hello.
func (h *Hello) readExtensions(c *cursor) error {
	if c.uint16() != c.left {
		return malformed("its extensions do not end where it does")
	}
	var seen seen
	for c.left > 0 && !c.broken {
		kind := c.uint16()
		behind := c.open(c.uint16())
		if seen.twice(kind) {
			return malformed("it has an extension twice")
		}
		if err := h.readExtension(c, kind); err != nil {
			return err
		}
		c.close(behind)
	}
	return nil
}

// readExtension reads one extension. It does not read those that are not known: c.close skips them.
func (h *Hello) readExtension(c *cursor, kind int) error {
	switch kind {
	case extServerName:
		return h.readServerName(c)
	case extALPN:
		return h.readProtocols(c)
	case extSupportedVersions:
		return h.readVersions(c)
	case extECH:
		h.ECH = true
	}
	return nil
}

// readServerName reads a ServerNameList. Type 0 is the only type of name that was ever defined.
func (h *Hello) readServerName(c *cursor) error {
	const hostName = 0
	if n := c.uint16(); n != c.left || n == 0 {
		return malformed("its server name list does not fit")
	}
	for found := false; c.left > 0 && !c.broken; {
		kind, size := c.uint8(), c.uint16()
		switch {
		case size == 0:
			return malformed("its server name is empty")
		case kind != hostName:
			c.skip(size)
		case found:
			return malformed("it has two server names")
		default:
			found = true
			h.readName(c, size)
		}
	}
	return nil
}

// readName reads a name of n bytes. It skips one that is longer than any DNS name.
func (h *Hello) readName(c *cursor, n int) {
	if n > maxName+1 || n > c.left {
		c.skip(n)
		h.Odd = true
		return
	}
	var text [maxName + 1]byte
	name := text[:n]
	c.copy(name)
	h.ServerName = checked(name)
	h.Dotted = h.ServerName != "" && name[n-1] == '.'
	h.Odd = h.ServerName == "" && !isAddress(name)
}

// readProtocols makes one string of the whole list. The protocols are parts of that string, so that there are two
// allocations for any number of them.
func (h *Hello) readProtocols(c *cursor) error {
	n := c.uint16()
	if n != c.left || n == 0 {
		return malformed("its ALPN list does not fit")
	}
	list := c.text(n)
	count := 0
	for at := 0; at < len(list); count++ {
		size := int(list[at])
		if at += 1 + size; size == 0 || at > len(list) {
			return malformed("a protocol in its ALPN list does not fit")
		}
	}
	h.Protocols = make([]string, 0, count)
	for len(list) > 0 {
		end := 1 + int(list[0])
		h.Protocols = append(h.Protocols, list[1:end])
		list = list[end:]
	}
	return nil
}

func (h *Hello) readVersions(c *cursor) error {
	n := c.uint8()
	if n != c.left || n == 0 || n%2 != 0 {
		return malformed("its list of versions does not fit")
	}
	h.Versions = make([]uint16, n/2)
	for i := range h.Versions {
		h.Versions[i] = uint16(c.uint16())
	}
	return nil
}

// seen remembers which of the known extensions have come. Others may come twice here: the server decides about them.
type seen [len(known)]bool

// twice reports whether kind is known and has come before.
func (s *seen) twice(kind int) bool {
	i := slices.Index(known[:], kind)
	if i < 0 {
		return false
	}
	again := s[i]
	s[i] = true
	return again
}
