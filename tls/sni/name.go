package sni

import "net/netip"

// maxName is the longest DNS name as text, without the dot at its end (RFC 1035, section 2.3.4).
const maxName = 253

// maxLabel is the longest part between dots.
const maxLabel = 63

// Name returns name as a Hello has it: in lower case and without a dot at its end, and empty if it is no DNS name. It
// is for names from a ClientHello that something else has read.
func Name(name string) string {
	if len(name) > maxName+1 {
		return ""
	}
	var text [maxName + 1]byte
	return checked(text[:copy(text[:], name)])
}

// checked is Name for a text that it may change.
func checked(text []byte) string {
	name := lower(text)
	if !isName(name) {
		return ""
	}
	return string(name)
}

// lower makes name lower case in place, and removes a dot at its end.
func lower(name []byte) []byte {
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			name[i] = c + 'a' - 'A'
		}
	}
	if n := len(name); n > 0 && name[n-1] == '.' {
		return name[:n-1]
	}
	return name
}

// isName reports whether name, in lower case and without a dot at its end, can be a DNS name: letters, digits, hyphens
// and underscores between dots. An IP address is none (RFC 6066, section 3): IPv6 has colons, and IPv4 ends in a
// number, which no name does (RFC 3696, section 2).
func isName[T string | []byte](name T) bool {
	if len(name) > maxName {
		return false
	}
	label, digits := 0, 0
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.':
			if label == 0 {
				return false
			}
			label, digits = 0, 0
			continue
		case '0' <= c && c <= '9':
			digits++
		case c == '-' && label == 0 || !inName(c):
			return false
		}
		if label++; label > maxLabel {
			return false
		}
	}
	return label > digits
}

// isAddress reports whether name is an IP address. Clients should not send one (RFC 6066, section 3), but some do.
func isAddress(name []byte) bool {
	a, err := netip.ParseAddr(string(name))
	return err == nil && a.Zone() == ""
}

// inName reports whether c may be in a label. The RFCs forbid underscores, but they are in use.
func inName(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
