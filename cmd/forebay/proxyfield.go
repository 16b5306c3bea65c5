package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"forebay/l4"
)

// A proxyTLV is the fields of a version 2 header that one flag names. The flag has names with commas between, or one
// field of the operator's own, whose text goes to the end of the flag.
type proxyTLV struct {
	set l4.ProxyTLV
	own l4.ProxyField // Type 0: none
}

// A proxyName is the name of a field.
type proxyName struct {
	name string
	bit  l4.ProxyTLV
}

func proxyTLVNames() []proxyName {
	return []proxyName{
		{"alpn", l4.ProxyALPN},
		{"authority", l4.ProxyAuthority},
		{"crc32c", l4.ProxyCRC32C},
		{"unique-id", l4.ProxyUniqueID},
		{"ssl", l4.ProxySSL},
		{"client-cert", l4.ProxyClientCert},
		{"netns", l4.ProxyNetNS},
	}
}

// The range of types for an operator's own fields and for experiments (PROXY protocol specification, section 2.2.8),
// and the longest such field: the header should fit into one segment (section 2).
const (
	firstOwn    = 0xe0
	lastOwn     = 0xf7
	longestOwn  = 1024
	ownExample  = "0xE0=text"
	ownRangeSay = "0xE0 to 0xF7"
)

func (p *proxyTLV) UnmarshalText(text []byte) error {
	if kind, value, ok := strings.Cut(string(text), "="); ok {
		return p.readOwn(kind, value)
	}
	var all proxyTLV
	for name := range strings.SplitSeq(string(text), ",") {
		i := slices.IndexFunc(proxyTLVNames(), func(n proxyName) bool { return n.name == name })
		if i < 0 {
			return fmt.Errorf("%q is no field of a version 2 header; there are %s, and one of your own as %s", name,
				allProxyNames(), ownExample)
		}
		all.set |= proxyTLVNames()[i].bit
	}
	*p = all
	return nil
}

func (p *proxyTLV) readOwn(kind, value string) error {
	n, err := strconv.ParseUint(kind, 0, 8)
	switch {
	case err != nil || n < firstOwn || n > lastOwn:
		return fmt.Errorf("%q is no type for a field of your own; there are %s, as in %s", kind, ownRangeSay,
			ownExample)
	case len(value) == 0 || len(value) > longestOwn:
		return fmt.Errorf("field %s has %d bytes; 1 to %d are right", kind, len(value), longestOwn)
	}
	*p = proxyTLV{own: l4.ProxyField{Type: byte(n), Value: []byte(value)}}
	return nil
}

func allProxyNames() string {
	var all []string
	for _, n := range proxyTLVNames() {
		all = append(all, n.name)
	}
	return strings.Join(all, ", ")
}

func (p proxyTLV) String() string {
	if p.own.Type != 0 {
		return fmt.Sprintf("0x%X=%s", p.own.Type, p.own.Value)
	}
	var names []string
	for _, n := range proxyTLVNames() {
		if p.set&n.bit != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ",")
}

// proxyTLVs returns the fields of all flags together.
func (c *config) proxyTLVs() (set l4.ProxyTLV, own []l4.ProxyField) {
	for _, p := range c.ProxyTLV {
		set |= p.set
		if p.own.Type != 0 {
			own = append(own, p.own)
		}
	}
	if c.ProxyPassTLV {
		set |= l4.ProxyReceived
	}
	return set, own
}

// validateProxyTLV adds the faults of the fields in the header to backends.
func (c *commandLine) validateProxyTLV() {
	set, own := c.config.proxyTLVs()
	if len(c.config.ProxyTLV) > 0 && l4.ProxyVersion(c.config.ProxyOut) != l4.ProxyV2 {
		c.refuse("proxy-tlv", "only a version 2 header has such fields; add --proxy-out v2")
	}
	if set&(l4.ProxyALPN|l4.ProxySSL) != 0 && len(c.config.TLSCerts) == 0 {
		c.refuse("proxy-tlv", "alpn and ssl tell of TLS that ends here, and none does; add --tls-cert")
	}
	if set&l4.ProxyClientCert != 0 && (set&l4.ProxySSL == 0 || len(c.config.TLSClientCA) == 0) {
		c.refuse("proxy-tlv",
			"client-cert needs ssl, and clients that are asked for a certificate; add ssl, and --tls-client-ca")
	}
	for i, f := range own {
		if slices.ContainsFunc(own[:i], func(o l4.ProxyField) bool { return o.Type == f.Type }) {
			c.refuse("proxy-tlv", "field 0x%X is there twice", f.Type)
		}
	}
}
