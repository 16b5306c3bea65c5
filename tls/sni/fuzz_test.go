package sni

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// FuzzParse compares with crypto/tls: where it accepts a hello, there must be the same name and the same protocols.
func FuzzParse(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.bytes)
		f.Add(inRecords(s.bytes, 97))
	}
	hello := clientHello(f, &tls.Config{ServerName: "a.example"})
	for _, before := range []string{"\x15\x03\x01\x00\x02\x01\x5a", "\x15\x02\x00\x00\x02\x01\x5a", "\x16\x03\x01\x00\x00", "\x14\x03\x03\x00\x01\x01", "\x17\x03\x03\x00\x00"} {
		f.Add(append([]byte(before), hello...))
	}
	f.Add(append([]byte{typeHandshake, 2, 0}, hello[3:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Parser
		got, err := p.Parse(b)
		mustBeSteady(t, b, got, err)
		info, accepted := serverHello(b)
		if accepted && errors.Is(err, ErrNotTLS) {
			t.Fatalf("crypto/tls accepts what is told to be no TLS: %v", err)
		}
		if !accepted || !ofHandshakeRecords(b) {
			return
		}
		if err != nil {
			t.Fatalf("crypto/tls accepts it: %v", err)
		}
		if want := nameOf(info.ServerName); got.ServerName != want || Name(info.ServerName) != want {
			t.Errorf("name: got %q, and %q of what crypto/tls has, want %q", got.ServerName, Name(info.ServerName), want)
		}
		if got.Odd != (got.ServerName == "" && info.ServerName != "" && !isAddress([]byte(info.ServerName))) {
			t.Errorf("of %q: odd %v", info.ServerName, got.Odd)
		}
		if !slices.Equal(got.Protocols, info.SupportedProtos) {
			t.Errorf("protocols: got %q, want %q", got.Protocols, info.SupportedProtos)
		}
		if got.ECH != slices.Contains(info.Extensions, extECH) {
			t.Errorf("ECH: got %v", got.ECH)
		}
		if len(got.Versions) > 1 && !slices.Equal(got.Versions, info.SupportedVersions) {
			t.Errorf("versions: got %x, want %x", got.Versions, info.SupportedVersions)
		}
	})
}

// mustBeSteady: a parser that is given b in pieces comes to the same end. Where b has two faults, it may see the other
// one first.
func mustBeSteady(t *testing.T, b []byte, want Hello, wantErr error) {
	var p Parser
	for n := 0; ; n = min(n+1+n/3, len(b)) {
		got, err := p.Parse(b[:n])
		switch {
		case err == ErrMore && n < len(b):
			if need := p.Need(); need < 1 || wantErr == nil && n+need > len(b) {
				t.Fatalf("after %d of %d bytes: needs %d more", n, len(b), need)
			}
			continue
		case (err == nil) != (wantErr == nil) || (err == ErrMore) != (wantErr == ErrMore) || got.ServerName != want.ServerName || !slices.Equal(got.Protocols, want.Protocols):
			t.Fatalf("after %d of %d bytes: got %+v, %v, at once %+v, %v", n, len(b), got, err, want, wantErr)
		}
		return
	}
}

// ofHandshakeRecords reports whether b holds handshake records of version 3 alone, within MaxSize. crypto/tls takes
// other versions, and warnings before a hello.
func ofHandshakeRecords(b []byte) bool {
	for at := 0; at+headerSize <= len(b); at += headerSize + int(binary.BigEndian.Uint16(b[at+3:])) {
		if b[at] != typeHandshake || b[at+1] != majorVersion {
			return at > 0 && accepts(b[:at])
		}
	}
	return len(b) <= MaxSize
}

func accepts(b []byte) bool {
	_, ok := serverHello(b)
	return ok
}

var dnsName = regexp.MustCompile(`^([a-z0-9_][a-z0-9_-]{0,62}\.)*[a-z0-9_][a-z0-9_-]{0,62}$`)
var numberLast = regexp.MustCompile(`(^|\.)[0-9]+$`)

// nameOf is what a Hello has of a server name that crypto/tls has read.
func nameOf(s string) string {
	if s = lowerASCII(s); len(s) > maxName || !dnsName.MatchString(s) || numberLast.MatchString(s) {
		return ""
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return ""
	}
	return s
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// FuzzPattern: what is read is written as it is read, and finds the name it stands for.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"a.example", "*.A.example.", "*", "a..b", "*.*", "1.2.3.4", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var p, again Pattern
		if p.UnmarshalText([]byte(s)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(p)); err != nil || again != p {
			t.Fatalf("%q is read as %q, and that as %q, %v", s, p, again, err)
		}
		var n Names[Pattern]
		if err := n.Add(p, p); err != nil {
			t.Fatal(err)
		}
		if got, ok := n.Lookup(strings.Replace(string(p), "*", "label", 1)); !ok || got != p {
			t.Errorf("%q does not find itself: %q", p, got)
		}
	})
}
