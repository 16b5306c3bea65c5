package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"forebay/tls/profile"
	"forebay/tls/sni"
)

// A commas is a list whose elements may also be given in one text, with commas between.
type commas struct{ value }

func (v commas) set(text string) error {
	var faults []error
	for element := range strings.SplitSeq(text, ",") {
		faults = append(faults, v.value.set(element))
	}
	return errors.Join(faults...)
}

// A protocol is a profile.Protocol.
type protocol profile.Protocol

func (p *protocol) UnmarshalText(text []byte) error {
	return (*profile.Protocol)(p).UnmarshalText(text)
}

func (p protocol) String() string { return string(p) }

// protocols returns all as profile.Protocols.
func protocols(all []protocol) (list []profile.Protocol) {
	for _, p := range all {
		list = append(list, profile.Protocol(p))
	}
	return list
}

// A hostName is the DNS name of one host.
type hostName string

func (n *hostName) UnmarshalText(text []byte) error {
	var p sni.Pattern
	if p.UnmarshalText(text) != nil || strings.Contains(string(p), "*") {
		return fmt.Errorf("%q is no name of a host; write one like db.example.com", text)
	}
	*n = hostName(p)
	return nil
}

func (n hostName) String() string { return string(n) }

// A clientCert says whether a client must have a certificate.
type clientCert uint8

const (
	certRequired clientCert = iota
	certIfGiven
)

func (m *clientCert) UnmarshalText(text []byte) error {
	switch string(text) {
	case certRequired.String():
		*m = certRequired
	case certIfGiven.String():
		*m = certIfGiven
	default:
		return fmt.Errorf("%q is not what may be asked of a client; there are require and verify-if-given", text)
	}
	return nil
}

func (m clientCert) String() string { return [...]string{"require", "verify-if-given"}[m] }

// A tlsEOF says how a backend's FIN without close_notify counts.
type tlsEOF uint8

const (
	eofLenient tlsEOF = iota // ended
	eofStrict                // broken
)

func (m *tlsEOF) UnmarshalText(text []byte) error {
	switch string(text) {
	case eofLenient.String():
		*m = eofLenient
	case eofStrict.String():
		*m = eofStrict
	default:
		return fmt.Errorf("%q is no way to take an end without close_notify; there are lenient and strict", text)
	}
	return nil
}

func (m tlsEOF) String() string { return [...]string{"lenient", "strict"}[m] }

// An allowed is one attribute of a certificate that lets a client in.
type allowed struct{ kind, value string }

func (a *allowed) UnmarshalText(text []byte) error {
	kind, value, _ := strings.Cut(string(text), ":")
	if value == "" {
		return fmt.Errorf("%q lets nobody in; write dns:NAME, uri:URI, email:ADDRESS, cn:NAME or pin:HASH", text)
	}
	if err := (allowed{kind, value}).enter(new(profile.Allow)); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	*a = allowed{kind, value}
	return nil
}

func (a allowed) String() string { return a.kind + ":" + a.value }

// enter adds a to a list. It is an error if no certificate can match a, or if a does not mean what it seems to.
func (a allowed) enter(list *profile.Allow) error {
	switch a.kind {
	case "dns":
		if strings.Contains(a.value, "*") {
			return errors.New("patterns are not known here; write each name out, like dns:web.example.com")
		}
		list.DNS = append(list.DNS, a.value)
	case "uri":
		if u, err := url.Parse(a.value); err != nil || u.Scheme == "" {
			return errors.New("a URI begins with its scheme; write one like uri:spiffe://example.org/web")
		}
		list.URIs = append(list.URIs, a.value)
	case "email":
		if at := strings.LastIndexByte(a.value, '@'); at <= 0 || at == len(a.value)-1 {
			return errors.New("an address has something on both sides of an @; write one like email:ann@example.com")
		}
		list.Emails = append(list.Emails, a.value)
	case "cn":
		list.CommonNames = append(list.CommonNames, a.value)
	case "pin":
		var p profile.Pin
		err := p.UnmarshalText([]byte(a.value))
		list.Pins = append(list.Pins, p)
		return err
	default:
		return fmt.Errorf("a certificate has no %q; there are dns, uri, email, cn and pin", a.kind)
	}
	return nil
}
