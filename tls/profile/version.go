package profile

import (
	"crypto/tls"
	"fmt"
)

// A Version is the oldest TLS version that is accepted. The zero value is TLS 1.2.
type Version uint16

// The versions. Older ones are not supported (RFC 8996).
const (
	TLS12 Version = tls.VersionTLS12
	TLS13 Version = tls.VersionTLS13
)

func (v Version) number() uint16 { return max(uint16(v), tls.VersionTLS12) }

// String returns "1.2" or "1.3".
func (v Version) String() string {
	if v.number() == tls.VersionTLS13 {
		return "1.3"
	}
	return "1.2"
}

// MarshalText returns what String returns.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads 1.2 or 1.3.
func (v *Version) UnmarshalText(text []byte) error {
	switch string(text) {
	case "1.2":
		*v = TLS12
	case "1.3":
		*v = TLS13
	case "1.0", "1.1":
		return fmt.Errorf("TLS %s is not spoken any more (RFC 8996): 1.2 or 1.3 is right", text)
	default:
		return fmt.Errorf("%q is no TLS version: 1.2 or 1.3 is right", text)
	}
	return nil
}
