package main

import (
	"fmt"
	"strings"
	"time"

	"forebay/tls/certs"
	"forebay/tls/profile"
)

// describe lists the certificates, the routes, the backends with their addresses, the drained backends, and how many
// sessions fit.
func (p *plan) describe() string {
	var b strings.Builder
	p.describeCertificates(&b)
	p.describeRoutes(&b)
	for _, backend := range p.backends() {
		fmt.Fprintf(&b, "backend %s is", backend.Name)
		for _, at := range backend.Addrs {
			b.WriteString(" " + at.String())
		}
		b.WriteByte('\n')
	}
	p.describeDrains(&b)
	fmt.Fprintf(&b, "sessions: at most %d, %s", p.sessions, p.reason())
	return b.String()
}

func (p *plan) describeCertificates(b *strings.Builder) {
	for _, s := range p.tls.certificates() {
		fmt.Fprintf(b, "certificate %s is for %s", s.Pair, namesOf(s))
		if s.Default {
			b.WriteString(" and all others")
		}
		fmt.Fprintf(b, ", %s, valid until %s\n", s.Kind, day(s.NotAfter))
	}
	if revoked := p.tls.revoked; revoked != nil && !revoked.Next().IsZero() {
		fmt.Fprintf(b, "revocation lists in %s are good until %s\n", p.TLSClientCRL, day(revoked.Next()))
	}
	if shown := p.tls.shown; shown != nil {
		s := shown.Snapshot()[0]
		fmt.Fprintf(b, "certificate %s for backends is that of %s, %s, valid until %s\n", s.Pair, namesOf(s), s.Kind,
			day(s.NotAfter))
	}
}

// certificates returns the certificates for clients.
func (t *tlsPlan) certificates() []certs.Snapshot {
	if t.store == nil {
		return nil
	}
	return t.store.Snapshot()
}

// namesOf lists the names that a certificate is for.
func namesOf(s certs.Snapshot) string {
	if len(s.Names) == 0 {
		return "no name"
	}
	return strings.Join(s.Names, ", ")
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// describeRoutes says which clients each route takes, and where to. It writes nothing where there is one route only.
func (p *plan) describeRoutes(b *strings.Builder) {
	if len(p.Routes) == 0 {
		return
	}
	for _, r := range append(p.routes[1:len(p.routes):len(p.routes)], p.routes[0]) {
		fmt.Fprintf(b, "route %s %s\n", r.keys(), p.fate(r))
	}
}

// fate says what happens to the sessions of r.
func (p *plan) fate(r plannedRoute) string {
	if r.refuses() {
		return "is refused"
	}
	var to []string
	for _, b := range r.backends {
		to = append(to, b.Name)
	}
	does, over := "passes", ""
	if p.terminates(r.route) {
		does = "ends TLS and goes"
	}
	if p.speaksTLS(r.route) {
		over = " over TLS"
	}
	return does + " to " + strings.Join(to, ", ") + over
}

// noteCertificates adds a note for each certificate that is of no use or will soon expire, and for each name that
// should have a certificate.
func (p *plan) noteCertificates(now time.Time) {
	for _, s := range p.tls.certificates() {
		if !now.Before(s.Notice) {
			p.note("certificate %s expires on %s", s.Pair, day(s.NotAfter))
		}
		if s.Shadowed {
			p.note("certificate %s is never served, as one with the same kind of key is before it for each of its names; leave one out", s.Pair)
		}
	}
	if p.tls.store != nil {
		for _, d := range p.tls.store.Doubts(now) {
			p.note("certificate %s: %s", d.Pair, d.Why)
		}
	}
	p.noteRevocations()
	for _, r := range p.namedRoutes() {
		for _, name := range r.names {
			if p.terminates(r) && !p.tls.store.Has(string(name)) {
				p.note("route %s ends TLS, and there is no certificate for it: clients that verify will refuse the one they get", name)
			}
		}
	}
}

// noteRevocations adds a note for each revocation list that is or will soon be out of date, so that clients are
// refused.
func (p *plan) noteRevocations() {
	if p.tls.revoked == nil {
		return
	}
	for _, l := range p.tls.revoked.Lists() {
		switch l.Age {
		case profile.Ending:
			p.note("the list of %s in %s goes out of date on %s", l.Authority, p.TLSClientCRL, day(l.Next))
		case profile.Overdue:
			p.note("the list of %s in %s is out of date: no client gets in whom this authority has certified",
				l.Authority, p.TLSClientCRL)
		}
	}
}
