package pool

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// maxPorts is how many backends one Spec may stand for. More is most likely a typing error.
const maxPorts = 4096

// maxPath is the longest path of a UNIX socket: sun_path has 108 bytes, and the last is a NUL (unix(7)).
const maxPath = 107

// A Spec is a backend, or a row of them on successive ports, as an operator writes it:
//
//	HOST:PORT  HOST:FIRST-LAST  unix:PATH
//
// HOST is a name, an IPv4 address, or an IPv6 address in brackets. Options follow, after commas: weight=N, max-conns=N,
// backup. So a path can't contain a comma.
type Spec struct {
	Host        string // a name or an address, without brackets; "" for a UNIX socket
	First, Last uint16 // the ports; equal where there is one
	Path        string // of a UNIX socket; "@..." is in the abstract name space
	Weight      Weight // 1 where none is written
	MaxConns    int    // 0: no limit
	Backup      bool
}

// String returns s as an operator would write it. Options with their default are left out. UnmarshalText reads it back.
func (s Spec) String() string {
	var b strings.Builder
	b.WriteString(s.place())
	if s.Weight > 1 {
		fmt.Fprintf(&b, ",weight=%d", s.Weight)
	}
	if s.MaxConns > 0 {
		fmt.Fprintf(&b, ",max-conns=%d", s.MaxConns)
	}
	if s.Backup {
		b.WriteString(",backup")
	}
	return b.String()
}

func (s Spec) place() string {
	if s.Path != "" {
		return "unix:" + s.Path
	}
	if s.First == s.Last {
		return s.HostPort(s.First)
	}
	return s.HostPort(s.First) + "-" + strconv.Itoa(int(s.Last))
}

// HostPort returns "HOST:PORT" for one port of the row, with brackets around an IPv6 address.
func (s Spec) HostPort(port uint16) string {
	host := s.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(port))
}

// MarshalText returns what String returns.
func (s Spec) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what an operator wrote. The error quotes the part that is wrong and says what would be right.
func (s *Spec) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), ",")
	read := Spec{Weight: 1}
	if err := read.readPlace(parts[0]); err != nil {
		return fmt.Errorf("backend %q: %w", text, err)
	}
	seen := make(map[string]bool)
	for _, option := range parts[1:] {
		if err := read.readOption(option, seen); err != nil {
			return fmt.Errorf("backend %q: %w", text, err)
		}
	}
	*s = read
	return nil
}

func (s *Spec) readPlace(place string) error {
	if path, ok := strings.CutPrefix(place, "unix:"); ok {
		s.Path = path
		return checkPath(path)
	}
	host, ports, err := splitPlace(place)
	if err != nil {
		return err
	}
	if s.First, s.Last, err = readPorts(ports); err != nil {
		return err
	}
	s.Host = host
	return nil
}

// checkPath says what is wrong with the path of a UNIX socket.
func checkPath(path string) error {
	switch {
	case path == "" || path == "@":
		return errors.New("no path after unix: write unix:/run/app.sock")
	case strings.ContainsRune(path, 0):
		return errors.New("a path holds no NUL byte")
	case len(path) > maxPath:
		return fmt.Errorf("the path has %d bytes; that of a UNIX socket has at most %d", len(path), maxPath)
	}
	return nil
}

// splitPlace separates HOST from its ports.
func splitPlace(place string) (host, ports string, err error) {
	if place == "" {
		return "", "", errors.New("nothing is written: write HOST:PORT, HOST:FIRST-LAST or unix:PATH")
	}
	if scheme, rest, ok := strings.Cut(place, "://"); ok {
		return "", "", hasScheme(scheme, rest)
	}
	if inside, ok := strings.CutPrefix(place, "["); ok {
		return splitBrackets(inside)
	}
	if one, after, ok := strings.Cut(place, " "); ok && strings.Contains(one, ":") {
		return "", "", hasSpace(one, strings.Fields(after))
	}
	colon := strings.LastIndexByte(place, ':')
	if colon < 0 {
		return "", "", noPort(place)
	}
	host, ports = place[:colon], place[colon+1:]
	if strings.Contains(host, ":") {
		return "", "", bareIPv6(place, host, ports)
	}
	return host, ports, checkHost(host, ports)
}

// hasScheme says what to write for a URL.
func hasScheme(scheme, rest string) error {
	place, _, _ := strings.Cut(rest, "/")
	port := map[string]string{"http": "80", "https": "443"}[scheme]
	switch {
	case place == "":
		place = "HOST:PORT"
	case !strings.Contains(place, ":") && port != "":
		place += ":" + port
	}
	if scheme == "https" {
		return fmt.Errorf(
			"a backend has no scheme https://: write %s, and --backend-tls where clients speak no TLS themselves",
			place)
	}
	return fmt.Errorf("a backend has no scheme %s://: write %s", scheme, place)
}

// hasSpace says what to write for a place that is followed by a space and the words of after.
func hasSpace(place string, after []string) error {
	if len(after) > 0 && isOption(after[0]) {
		return fmt.Errorf("there is a space in it: an option follows a comma, as in %s,%s", place, after[0])
	}
	return fmt.Errorf("there is a space in it: write %s, and what follows as a BACKEND of its own", place)
}

// isOption reports whether text is a valid option of a backend.
func isOption(text string) bool {
	key, _, _ := strings.Cut(text, "=")
	return slices.Contains(specOptions, key) && new(Spec).readOption(text, map[string]bool{}) == nil
}

// splitBrackets separates the address in "[ADDRESS]:PORTS" from its ports. inside is the text after the first bracket.
func splitBrackets(inside string) (host, ports string, err error) {
	host, after, ok := strings.Cut(inside, "]")
	if !ok {
		return "", "", errors.New("the bracket is not closed: write [ADDRESS]:PORT")
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Is4() {
		return "", "", fmt.Errorf("%q is no IPv6 address: brackets are for one", host)
	}
	ports, ok = strings.CutPrefix(after, ":")
	if !ok || ports == "" {
		return "", "", fmt.Errorf("no port: write [%s]:PORT", host)
	}
	if ip.IsLinkLocalUnicast() && ip.Zone() == "" {
		return "", "", fmt.Errorf("a link-local address needs its interface: write [%s%%eth0]:%s", ip, ports)
	}
	return ip.String(), ports, checkUnicast(ip)
}

func noPort(place string) error {
	if _, err := strconv.ParseUint(strings.ReplaceAll(place, "-", ""), 10, 64); err == nil {
		return fmt.Errorf("no host before the port: write 127.0.0.1:%s", place)
	}
	switch {
	case isOption(place):
		return fmt.Errorf("an option stands behind its backend and a comma: write 127.0.0.1:8000,%s", place)
	case strings.Contains(place, "/"):
		return fmt.Errorf("a path has unix: before it: write unix:%s", place)
	}
	return fmt.Errorf("%q has no port: write %s:PORT", place, place)
}

func bareIPv6(place, host, ports string) error {
	if _, err := netip.ParseAddr(host); err == nil && ports != "" {
		return fmt.Errorf("an IPv6 address stands in brackets: write [%s]:%s", host, ports)
	}
	if _, err := netip.ParseAddr(place); err == nil {
		return fmt.Errorf("an IPv6 address stands in brackets and has a port: write [%s]:PORT", place)
	}
	return fmt.Errorf("%q has too many colons: write HOST:PORT", place)
}

// checkHost says what is wrong with a name or an IPv4 address.
func checkHost(host, ports string) error {
	switch {
	case host == "":
		return fmt.Errorf("no host before the port: write 127.0.0.1:%s", ports)
	case len(host) > 253:
		return fmt.Errorf("the name has %d bytes; a host name has at most 253", len(host))
	}
	for _, c := range []byte(host) {
		if !inHostName(c) {
			return fmt.Errorf("%q is no host: %q is neither letter, digit, hyphen, dot nor underscore", host, c)
		}
	}
	if strings.Trim(host, "0123456789.") != "" {
		return nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Is4() {
		return fmt.Errorf("%q is no IPv4 address: that is four numbers from 0 to 255", host)
	}
	return checkUnicast(ip)
}

// checkUnicast refuses the address of many machines at once: TCP can't connect to one (RFC 9293, 3.9.2.3).
func checkUnicast(ip netip.Addr) error {
	if ip = ip.Unmap(); ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return fmt.Errorf("%s is for many machines at once, and takes no connection: write the address of one", ip)
	}
	return nil
}

func inHostName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_'
}

// readPorts reads PORT or FIRST-LAST.
func readPorts(ports string) (first, last uint16, err error) {
	from, to, isRange := strings.Cut(ports, "-")
	if first, err = readPort(from); err != nil || !isRange {
		return first, first, err
	}
	if last, err = readPort(to); err != nil {
		return 0, 0, err
	}
	switch {
	case last < first:
		return 0, 0, fmt.Errorf("the range %s runs backward: write %d-%d", ports, last, first)
	case int(last)-int(first)+1 > maxPorts:
		return 0, 0, fmt.Errorf("the range %s has %d ports; one range has at most %d", ports, int(last)-int(first)+1,
			maxPorts)
	}
	return first, last, nil
}

func readPort(s string) (uint16, error) {
	if s == "" {
		return 0, errors.New("a port is missing: write HOST:PORT or HOST:FIRST-LAST")
	}
	n, err := wholeNumber(s, 65535)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && n == 0:
		return 0, fmt.Errorf("port %s is out of range: 1 to 65535 is right", s)
	case err != nil:
		return 0, fmt.Errorf("%q is no port: a number from 1 to 65535 is right", s)
	}
	return uint16(n), nil
}

// maxMaxConns is far more sessions than a machine can have. It keeps the products of counts and weights small.
const maxMaxConns = 100_000_000

var specOptions = []string{"weight", "max-conns", "backup"}

// readOption reads one option. seen holds the keys of the options before it.
func (s *Spec) readOption(option string, seen map[string]bool) error {
	key, value, hasValue := strings.Cut(option, "=")
	if seen[key] {
		return fmt.Errorf("option %s is there twice", key)
	}
	seen[key] = true
	switch key {
	case "weight":
		if !hasValue {
			return errors.New("option weight has no value: write weight=N")
		}
		return s.Weight.UnmarshalText([]byte(value))
	case "max-conns":
		return s.readMaxConns(value)
	case "backup":
		if hasValue {
			return fmt.Errorf("option backup takes no value, not %q: leave it out where it is not meant", value)
		}
		s.Backup = true
		return nil
	}
	return unknownOption(key, option)
}

func (s *Spec) readMaxConns(value string) error {
	n, err := wholeNumber(value, maxMaxConns)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is no max-conns: a whole number from 1 to %d is right, or leave it out for no limit",
			value, maxMaxConns)
	}
	s.MaxConns = n
	return nil
}

func unknownOption(key, option string) error {
	switch near := Nearest(key, specOptions); {
	case option == "":
		return errors.New("a comma with no option after it")
	case near != "":
		return fmt.Errorf("unknown option %q: did you mean %s?", option, near)
	case new(Spec).readPlace(option) == nil:
		return fmt.Errorf("%q is no option: another BACKEND stands apart, with a space between", option)
	}
	return fmt.Errorf("unknown option %q: there are weight=N, max-conns=N, backup", option)
}
