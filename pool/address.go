package pool

import (
	"fmt"
	"net/netip"
	"strings"
)

// An Address is where a stream socket listens: a TCP address and port, or the path of a UNIX socket. It is comparable,
// and the zero Address is no address. A path that begins with "@" is in Linux's abstract name space (unix(7)).
type Address struct {
	tcp  netip.AddrPort
	path string
}

// TCPAddress returns the Address of a TCP socket. An IPv4 address that is mapped into IPv6 becomes plain IPv4, so that
// one place has one Address.
func TCPAddress(a netip.AddrPort) Address {
	return Address{tcp: netip.AddrPortFrom(a.Addr().Unmap(), a.Port())}
}

// UNIXAddress returns the Address of the UNIX socket at path.
func UNIXAddress(path string) Address { return Address{path: path} }

// IsUNIX reports whether a is the path of a UNIX socket.
func (a Address) IsUNIX() bool { return a.path != "" }

// IsZero reports whether a is no address at all.
func (a Address) IsZero() bool { return a == Address{} }

// TCP returns the address and port of a TCP Address, and the zero AddrPort for any other.
func (a Address) TCP() netip.AddrPort { return a.tcp }

// Path returns the path of a UNIX Address, and "" for any other.
func (a Address) Path() string { return a.path }

// String returns "192.0.2.1:80", "[2001:db8::1]:80", "unix:/run/app.sock", or "" for the zero Address.
func (a Address) String() string {
	switch {
	case a.IsUNIX():
		return "unix:" + a.path
	case a.tcp.IsValid():
		return a.tcp.String()
	}
	return ""
}

// AppendTo appends what String returns to b.
func (a Address) AppendTo(b []byte) []byte {
	switch {
	case a.IsUNIX():
		return append(append(b, "unix:"...), a.path...)
	case a.tcp.IsValid():
		return a.tcp.AppendTo(b)
	}
	return b
}

// MarshalText returns what String returns.
func (a Address) MarshalText() ([]byte, error) { return a.AppendTo(nil), nil }

// UnmarshalText reads what String writes. It resolves no names.
func (a *Address) UnmarshalText(text []byte) error {
	read, err := parseAddress(string(text))
	if err != nil {
		return err
	}
	*a = read
	return nil
}

func parseAddress(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if err := checkPath(path); err != nil {
			return Address{}, fmt.Errorf("address %q: %w", s, err)
		}
		return UNIXAddress(path), nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return Address{}, addressFault(s)
	}
	return TCPAddress(ap), nil
}

// addressFault says why s is no TCP address.
func addressFault(s string) error {
	_, ports, err := splitPlace(s)
	if err == nil {
		_, err = readPort(ports)
	}
	if err == nil || s == "" {
		return fmt.Errorf("%q is no address: write IP:PORT, [IPv6]:PORT or unix:PATH; names are not looked up here", s)
	}
	return fmt.Errorf("address %q: %w", s, err)
}
