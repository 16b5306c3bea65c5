// Package handoff makes the listening sockets that a Server accepts from.
package handoff

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"forebay/pool"
)

// A Spec is a listen address as an operator writes it:
//
//	:PORT, *:PORT   every IPv4 and IPv6 address of this machine, through one dual-stack socket
//	0.0.0.0:PORT    every IPv4 address, and no IPv6
//	[::]:PORT       every IPv6 address, and no IPv4
//	IP:PORT         one address; IPv6 in brackets, with a zone where it is link-local: [fe80::1%eth0]:PORT
//	NAME:PORT       every address that the name has; one listener each
//	unix:PATH       a UNIX socket; unix:@NAME is in Linux's abstract name space (unix(7))
//
// Behind a path may stand whom its file is for: unix:PATH,mode=0660,owner=USER,group=GROUP, in any order. What is not
// said is as the process makes files.
//
// Port 0 is any free port. A Spec is comparable; the zero Spec is :0.
type Spec struct {
	name string     // to be resolved, or already resolved to addr; "" where an IP or nothing was written
	addr netip.Addr // not valid for :PORT and for an unresolved name
	port uint16
	path string // "" for TCP
	file access // of a path
}

// maxPath is how long a UNIX socket's path can be: sun_path of unix(7) less its final NUL.
const maxPath = 107

// UnmarshalText reads one Spec. It resolves no name; see Resolve.
func (s *Spec) UnmarshalText(text []byte) error {
	parsed, err := parse(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

func parse(text string) (Spec, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return parsePath(path)
	}
	host, port, err := split(text)
	if err != nil {
		return Spec{}, err
	}
	s := Spec{}
	if s.port, err = parsePort(text, port); err != nil {
		return Spec{}, err
	}
	if err := s.setHost(text, host); err != nil {
		return Spec{}, err
	}
	return s, nil
}

func parsePath(text string) (Spec, error) {
	path, options := cutOptions(text)
	switch {
	case path == "" || path == "@":
		return Spec{}, errors.New(`"unix:` + path + `" names no socket; write unix:/run/name.sock or unix:@name`)
	case strings.ContainsRune(path, 0):
		return Spec{}, fmt.Errorf("%q has a zero byte in its path", "unix:"+path)
	case len(path) > maxPath:
		return Spec{}, fmt.Errorf("%q is a path of %d bytes; a UNIX socket's may have %d", "unix:"+path, len(path),
			maxPath)
	}
	s := Spec{path: path}
	if err := s.file.read(options); err != nil {
		return Spec{}, fmt.Errorf("%q: %w", "unix:"+text, err)
	}
	if isAbstract(path) && s.file != (access{}) {
		return Spec{}, fmt.Errorf(
			"%q: an abstract socket has no file that could have a mode, owner or group; leave them out, or name a path",
			"unix:"+text)
	}
	return s, nil
}

// split cuts text at the colon before the port. An IPv6 host must stand in brackets, and loses them.
func split(text string) (host, port string, err error) {
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		return "", "", fmt.Errorf("%q: a listen address has no scheme; write it without %s://, as in %s", text, scheme,
			orExample(rest))
	}
	if inside, ok := strings.CutPrefix(text, "["); ok {
		return splitBrackets(text, inside)
	}
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return "", "", fmt.Errorf("%q has no port; write %s", text, withPort(text))
	}
	host, port = text[:colon], text[colon+1:]
	if strings.ContainsRune(host, ':') {
		return "", "", fmt.Errorf("%q: an IPv6 address stands in brackets, as in [::1]:8080", text)
	}
	return host, port, nil
}

func orExample(address string) string {
	if address = strings.TrimRight(address, "/"); address != "" {
		return address
	}
	return ":8080"
}

// splitBrackets is split for text whose first bracket has inside behind it.
func splitBrackets(text, inside string) (host, port string, err error) {
	host, after, closed := strings.Cut(inside, "]")
	if !closed {
		return "", "", fmt.Errorf("%q: the bracket is not closed; write [ADDRESS]:PORT", text)
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.Is6() {
		return "", "", fmt.Errorf("%q: what stands in brackets is no IPv6 address", text)
	}
	port, ok := strings.CutPrefix(after, ":")
	if !ok {
		return "", "", fmt.Errorf("%q has no port; write [%s]:8080", text, host)
	}
	return host, port, nil
}

// withPort guesses what was meant by an address without a colon.
func withPort(text string) string {
	if _, err := strconv.ParseUint(text, 10, 16); err == nil {
		return ":" + text
	}
	return text + ":8080"
}

func parsePort(text, port string) (uint16, error) {
	n, err := strconv.ParseUint(port, 10, 64)
	switch {
	case port == "":
		return 0, fmt.Errorf("%q has no port after the colon; 0 is any free one", text)
	case errors.Is(err, strconv.ErrRange) || n > 65535:
		return 0, fmt.Errorf("%q: port %s is out of range; ports go from 0 (any free one) to 65535", text, port)
	case err != nil:
		return 0, fmt.Errorf(
			"%q: port %q is not a number from 0 (any free one) to 65535; for several ports write several addresses",
			text, port)
	}
	return uint16(n), nil
}

func (s *Spec) setHost(text, host string) error {
	if host == "" || host == "*" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		s.addr = ip.Unmap()
		return s.checkAddr(text)
	}
	if !isName(host) {
		return fmt.Errorf("%q: %q is neither an IP address nor a host name", text, host)
	}
	s.name = host
	return nil
}

// checkAddr refuses what the kernel binds to and nobody can connect to, and what it would call an invalid argument.
func (s *Spec) checkAddr(text string) error {
	switch ip := s.addr; {
	case ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf(
			"%q: no client can connect to %s, which is for many machines at once; write an address of this one", text,
			ip)
	case ip.Is6() && ip.IsLinkLocalUnicast() && ip.Zone() == "":
		return fmt.Errorf("%q: a link-local address needs its interface; write [%s%%eth0]:%d", text, ip, s.port)
	}
	return nil
}

// isName reports whether host can be a host name: letters, digits, hyphens, underscores and dots, and not a mistyped
// IPv4 address.
func isName(host string) bool {
	letters := false
	for _, c := range []byte(host) {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_':
			letters = true
		case c >= '0' && c <= '9' || c == '-' || c == '.':
		default:
			return false
		}
	}
	return letters && len(host) <= 253
}

// String returns what was written, canonical: UnmarshalText reads it back to an equal Spec, unless that was resolved.
func (s Spec) String() string {
	port := strconv.Itoa(int(s.port))
	switch {
	case s.path != "":
		return "unix:" + s.path + s.file.String()
	case s.name != "":
		return s.name + ":" + port
	case s.addr.IsValid():
		return net.JoinHostPort(s.addr.String(), port)
	}
	return ":" + port
}

// called is what the listener is called in the log: String without whom a path's file is for.
func (s Spec) called() string {
	s.file = access{}
	return s.String()
}

// Port returns the port, 0 for any free one and for a UNIX socket.
func (s Spec) Port() uint16 { return s.port }

// IsUNIX reports whether s is a UNIX socket.
func (s Spec) IsUNIX() bool { return s.path != "" }

// Accepts reports whether a connection to a from this machine, whose addresses are own, would end at a listener of s:
// it is the very address, or s is every address and a is one of own or of the loopback interface. Of paths it asks the
// file system.
func (s Spec) Accepts(a pool.Address, own []netip.Addr) bool {
	to := destination(a.TCP().Addr())
	switch {
	case a.IsUNIX() || s.path != "":
		return samePath(a.Path(), s.path)
	case s.port == 0 || s.port != a.TCP().Port():
		return false
	case s.addr.IsValid() && !s.addr.IsUnspecified():
		return s.addr == to
	case s.addr.IsValid() && s.addr.Is4() != to.Is4():
		return false
	}
	return to.IsLoopback() || slices.Contains(own, to)
}

// Overlaps reports whether s and o, both resolved, can't be listened on at once. Of paths it asks the file system.
func (s Spec) Overlaps(o Spec) bool {
	switch {
	case s.path != "" || o.path != "":
		return samePath(s.path, o.path)
	case s.port == 0 || s.port != o.port:
		return false
	case !s.addr.IsValid() || !o.addr.IsValid():
		return true
	case s.addr.IsUnspecified() || o.addr.IsUnspecified():
		return s.addr.Is4() == o.addr.Is4()
	}
	return s.addr == o.addr
}

// destination returns where a connection to ip goes: connect(2) takes no address at all for the loopback one.
func destination(ip netip.Addr) netip.Addr {
	switch ip {
	case netip.IPv4Unspecified():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case netip.IPv6Unspecified():
		return netip.IPv6Loopback()
	}
	return ip
}

// MarshalText returns what String returns.
func (s Spec) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Resolver finds the addresses of a name, as *net.Resolver does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Resolve returns s once for each address that its name has, ready for Listen, and just s where no name was written.
func (s Spec) Resolve(ctx context.Context, r Resolver) ([]Spec, error) {
	if s.name == "" {
		return []Spec{s}, nil
	}
	addrs, err := r.LookupNetIP(ctx, "ip", s.name)
	if err != nil {
		return nil, s.unresolved(err)
	}
	var all []Spec
	seen := map[netip.Addr]bool{}
	for _, a := range addrs {
		a = a.Unmap()
		if !seen[a] {
			seen[a] = true
			all = append(all, Spec{name: s.name, addr: a, port: s.port})
		}
	}
	return all, nil
}

// unresolved says what would be right where the name of s could not be looked up.
func (s Spec) unresolved(err error) error {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return fmt.Errorf("listen on %s: %w: correct the name, or write an address", s, err)
	}
	return fmt.Errorf(
		"listen on %s: %w: the name may be right: check the name server and the network, or write an address", s, err)
}
