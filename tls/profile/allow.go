package profile

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
)

// An Allow lists attributes of certificates. A client whose certificate has one of them is let in. The zero value lets
// in all.
type Allow struct {
	DNS         []string // subject alternative names (RFC 5280, section 4.2.1.6), compared without case
	URIs        []string // as written: "spiffe://example.org/web"
	Emails      []string // compared without case behind the @
	CommonNames []string // as written
	Pins        []Pin    // of public keys
}

func (a *Allow) empty() bool {
	return len(a.DNS)+len(a.URIs)+len(a.Emails)+len(a.CommonNames)+len(a.Pins) == 0
}

// check says why c is not let in.
func (a *Allow) check(c *x509.Certificate) error {
	if a.empty() || a.names(c) || slices.Contains(a.CommonNames, c.Subject.CommonName) ||
		slices.Contains(a.Pins, PinOf(c)) {
		return nil
	}
	return fmt.Errorf("the client's certificate for %q (%s) is not on the list of those allowed", c.Subject, PinOf(c))
}

// names reports whether a subject alternative name of c is listed.
func (a *Allow) names(c *x509.Certificate) bool {
	for _, name := range c.DNSNames {
		if slices.ContainsFunc(a.DNS, func(s string) bool { return strings.EqualFold(s, name) }) {
			return true
		}
	}
	for _, u := range urisOf(c) {
		if slices.Contains(a.URIs, u) {
			return true
		}
	}
	for _, mail := range c.EmailAddresses {
		if slices.ContainsFunc(a.Emails, func(s string) bool { return sameMailbox(s, mail) }) {
			return true
		}
	}
	return false
}

// urisOf returns the URIs among the subject alternative names of c as they are written (RFC 5280, section 4.2.1.6).
// net/url could make two of them equal: it drops an empty fragment, writes the scheme in lower case, and changes
// escapes.
func urisOf(c *x509.Certificate) (all []string) {
	const uniformResourceIdentifier = 6
	for _, e := range c.Extensions {
		var names []asn1.RawValue
		if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			continue
		}
		if _, err := asn1.Unmarshal(e.Value, &names); err != nil {
			return nil
		}
		for _, n := range names {
			if n.Class == asn1.ClassContextSpecific && n.Tag == uniformResourceIdentifier {
				all = append(all, string(n.Bytes))
			}
		}
	}
	return all
}

// sameMailbox compares two addresses by RFC 5280, section 7.5.
func sameMailbox(a, b string) bool {
	i, j := strings.LastIndexByte(a, '@'), strings.LastIndexByte(b, '@')
	return i >= 0 && j >= 0 && a[:i] == b[:j] && strings.EqualFold(a[i:], b[j:])
}

// lists returns one sorted list for each kind of attribute.
func (a *Allow) lists() (lists [][][]byte) {
	for _, texts := range [...][]string{a.DNS, a.URIs, a.Emails, a.CommonNames} {
		list := make([][]byte, len(texts))
		for i, s := range texts {
			list[i] = []byte(s)
		}
		lists = append(lists, list)
	}
	pins := make([][]byte, len(a.Pins))
	for i := range a.Pins {
		pins[i] = a.Pins[i][:]
	}
	lists = append(lists, pins)
	for _, list := range lists {
		slices.SortFunc(list, bytes.Compare)
	}
	return lists
}
