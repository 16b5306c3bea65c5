package profile

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"forebay/tls/file"
)

// A CRL is the certificates that their authorities have revoked (RFC 5280, section 5). Its file has one list for each
// authority in PEM, or a single list in DER. With a CRL, each certificate from the client's up to the root is looked up
// in the list of its issuer. The client is refused where one of them is revoked, or its list is missing or out of date.
// OpenSSL (X509_V_FLAG_CRL_CHECK_ALL) does the same, and so do nginx and HAProxy. An authority whose own issuer is not
// among the authorities counts as a root, so that an intermediate authority alone is enough.
type CRL struct {
	Now         func() time.Time // nil: time.Now
	file        watched[revocations]
	authorities *Authorities
	mu          sync.Mutex
	told        map[authority]List // what was last reported of each authority's list
}

// A List is one of the lists of a CRL, as plain values.
type List struct {
	Authority string    // the name of its authority
	Next      time.Time // when the next one is due, and this one goes out of date; zero: the list does not say
	Age       Age
	of        authority
}

// An Age says how near a list is to its end.
type Age uint8

const (
	Fresh   Age = iota
	Ending      // a tenth of its life is left, or three days
	Overdue     // it is out of date: clients whose certificates its authority has issued are refused
)

// revocations are lists by authority.
type revocations map[authority]*revocationList

// An authority is the name and key that certificates are issued with. It is the same when its own certificate is
// renewed.
type authority struct{ subject, key string }

func authorityOf(c *x509.Certificate) authority {
	return authority{string(c.RawSubject), string(c.RawSubjectPublicKeyInfo)}
}

type revocationList struct {
	issuer     string
	serials    map[string]bool // serial numbers, in decimal: one may be negative
	from, next time.Time       // next: when the next list is due; zero: the list does not say
}

// longestNotice is the longest time before its end that a list is Ending.
const longestNotice = 3 * 24 * time.Hour

// age returns the age at the time now. Most lists live for a day or a week, and the next one is made some time before
// the end.
func (l *revocationList) age(now time.Time) Age {
	switch left := l.next.Sub(now); {
	case l.next.IsZero():
		return Fresh
	case left < 0:
		return Overdue
	case left <= min(l.next.Sub(l.from)/10, longestNotice):
		return Ending
	}
	return Fresh
}

// LoadCRL reads the file. Each list must be signed by one of the authorities.
func LoadCRL(path string, authorities *Authorities) (*CRL, error) {
	c := &CRL{authorities: authorities, told: make(map[authority]List)}
	parse := func(text []byte) (revocations, error) { return parseCRL(text, authorities.List()) }
	if err := c.file.open(path, parse); err != nil {
		return nil, err
	}
	return c, nil
}

// Check reads the file again if it has changed. It reports each list once when that is Ending, and once when it is
// Overdue.
func (c *CRL) Check() (Event, bool) {
	if e, ok := c.file.check(); ok {
		return e, ok
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.Lists() {
		if told := c.told[l.of]; l.Age != Fresh && (l.Age != told.Age || !l.Next.Equal(told.Next)) {
			c.told[l.of] = l
			return Event{File: c.file.file.Path, List: l}, true
		}
	}
	return Event{}, false
}

func (c *CRL) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// Lists returns the lists, sorted by when they go out of date.
func (c *CRL) Lists() (all []List) {
	for of, l := range *c.file.value.Load() {
		all = append(all, List{l.issuer, l.next, l.age(c.now()), of})
	}
	slices.SortFunc(all,
		func(a, b List) int { return cmp.Or(a.Next.Compare(b.Next), cmp.Compare(a.Authority, b.Authority)) })
	return all
}

// Next returns when the first of the lists goes out of date; the zero time where none does.
func (c *CRL) Next() time.Time {
	for _, l := range c.Lists() {
		if !l.Next.IsZero() {
			return l.Next
		}
	}
	return time.Time{}
}

func parseCRL(text []byte, authorities []*x509.Certificate) (revocations, error) {
	all := make(revocations)
	if file.IsDER(text) {
		return all, all.add(text, authorities)
	}
	blocks, err := file.Blocks(text)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		if b.Type != "X509 CRL" {
			return nil, fmt.Errorf("line %d: %s: only revocation lists are right here (X509 CRL)", b.Line, b.Type)
		}
		if err := all.add(b.Bytes, authorities); err != nil {
			return nil, fmt.Errorf("line %d: %w", b.Line, err)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no revocation list in it (-----BEGIN X509 CRL-----)")
	}
	return all, nil
}

// add adds a list in DER.
func (r revocations) add(der []byte, authorities []*x509.Certificate) error {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return fmt.Errorf("no revocation list: %w", err)
	}
	for _, e := range list.Extensions {
		if e.Critical { // a delta, or a list for some of the certificates (RFC 5280, sections 5.2.4 and 5.2.5)
			return fmt.Errorf("the revocation list of %q has the critical extension %s: only complete lists are right",
				list.Issuer, e.Id)
		}
	}
	issuer, err := signerOf(list, authorities)
	if err != nil {
		return err
	}
	if r[issuer] != nil {
		return fmt.Errorf("two revocation lists of %q", list.Issuer)
	}
	serials := make(map[string]bool, len(list.RevokedCertificateEntries))
	for _, e := range list.RevokedCertificateEntries {
		serials[e.SerialNumber.String()] = true
	}
	r[issuer] = &revocationList{list.Issuer.String(), serials, list.ThisUpdate, list.NextUpdate}
	return nil
}

func signerOf(list *x509.RevocationList, authorities []*x509.Certificate) (authority, error) {
	for _, a := range authorities {
		if bytes.Equal(a.RawSubject, list.RawIssuer) && list.CheckSignatureFrom(a) == nil {
			return authorityOf(a), nil
		}
	}
	return authority{}, fmt.Errorf(
		"the revocation list of %q is signed by none of the authorities that client certificates are verified by",
		list.Issuer)
}

// check returns nil if one of the chains is good; each is from the client's certificate to an authority. A nil CRL
// finds all good.
func (c *CRL) check(chains [][]*x509.Certificate) (err error) {
	if c == nil {
		return nil
	}
	err = errors.New("the client's certificate has not been verified")
	for _, chain := range chains {
		for _, whole := range c.complete(chain) {
			if err = c.file.value.Load().check(whole, c.now()); err == nil {
				return nil
			}
		}
	}
	return err
}

// complete returns every continuation of chain up to a root. crypto/tls ends a chain at any of the authorities. Where
// that one's issuer is an authority as well, the issuer may have revoked it.
func (c *CRL) complete(chain []*x509.Certificate) (all [][]*x509.Certificate) {
	last := chain[len(chain)-1]
	for _, a := range c.authorities.List() {
		there := func(b *x509.Certificate) bool { return authorityOf(b) == authorityOf(a) }
		if issued(a, last) && !slices.ContainsFunc(chain, there) {
			all = append(all, c.complete(append(slices.Clip(chain), a))...)
		}
	}
	if all == nil {
		all = append(all, chain)
	}
	return all
}

// issued reports whether a has signed c.
func issued(a, c *x509.Certificate) bool {
	return bytes.Equal(a.RawSubject, c.RawIssuer) &&
		a.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// check looks up every certificate of a chain but the root.
func (r revocations) check(chain []*x509.Certificate, now time.Time) error {
	for i, c := range chain[:len(chain)-1] {
		list := r[authorityOf(chain[i+1])]
		switch {
		case list == nil:
			return fmt.Errorf("there is no revocation list of %q, who has issued the certificate for %q", c.Issuer,
				c.Subject)
		case list.age(now) == Overdue:
			return fmt.Errorf("the revocation list of %q was to be renewed by %s", c.Issuer, date(list.next))
		case list.serials[c.SerialNumber.String()]:
			return fmt.Errorf("the certificate for %q, serial number %x, has been revoked", c.Subject, c.SerialNumber)
		}
	}
	return nil
}
