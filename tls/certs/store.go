package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the options of a Store. The zero value serves clients with an unknown name by the first certificate, and
// reports nothing.
type Options struct {
	// Strict refuses a client that gives a name for which there is no certificate, or none, with the alert
	// unrecognized_name (RFC 6066, section 3).
	Strict bool
	// Refused, if not nil, is called for each client that a strict store refuses. The error of crypto/tls then says
	// only that no certificates are configured.
	Refused func(*tls.ClientHelloInfo)
	// Report, if not nil, is called with each Event, by Check, one at a time and without locks held.
	Report func(Event)
}

// A Store holds certificates by name. Load makes one. Several goroutines may call its methods at once.
type Store struct {
	options Options
	serving atomic.Pointer[index] // what handshakes read
	mu      sync.Mutex            // held by Check, so that there is one at a time; handshakes do not wait for it
	entries []*entry              // in the order given
}

// Load reads all pairs. The first one is the default: it, and others for the same names, serve clients that give no
// name or an unknown one. The error tells the faults of all pairs.
func Load(pairs []Pair, o Options, now time.Time) (*Store, error) {
	if len(pairs) == 0 {
		return nil, errNothing
	}
	s := &Store{options: o}
	var faults []error
	for i, p := range pairs {
		if slices.Contains(pairs[:i], p) {
			faults = append(faults, fmt.Errorf("certificate %s is given twice", p))
			continue
		}
		e := &entry{source: newSource(p)}
		if err := e.begin(now); err != nil {
			faults = append(faults, err)
		}
		s.entries = append(s.entries, e)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	s.publishLocked()
	return s, nil
}

// publishLocked makes the certificates of the entries those of new handshakes and snapshots.
func (s *Store) publishLocked() {
	all := make([]*tls.Certificate, len(s.entries))
	snapshots := make([]Snapshot, len(s.entries))
	for i, e := range s.entries {
		all[i], snapshots[i] = e.serving, e.snapshot()
	}
	x := newIndex(all)
	for i, c := range all {
		snapshots[i].Shadowed = x.shadowed(c)
		snapshots[i].Default = !s.options.Strict && !snapshots[i].Shadowed && slices.Contains(x.first, c)
	}
	x.snapshots = snapshots
	s.serving.Store(x)
}

// Configure makes c serve the certificates of s. c must have none of its own. For a strict store it also sets
// GetConfigForClient, which then calls the function that c had there. Without that, the name of a client that resumes a
// TLS 1.3 session would not be checked, since such a handshake needs no certificate.
func (s *Store) Configure(c *tls.Config) {
	c.GetCertificate = s.Certificate
	if !s.options.Strict {
		return
	}
	// Without certificates and tickets, crypto/tls looks for a certificate, finds none, and sends unrecognized_name.
	refusal := &tls.Config{MinVersion: c.MinVersion, MaxVersion: c.MaxVersion, CipherSuites: c.CipherSuites,
		SessionTicketsDisabled: true, GetCertificate: s.refuse}
	before := c.GetConfigForClient
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		switch {
		case !s.serving.Load().has(hello.ServerName):
			return refusal, nil
		case before != nil:
			return before(hello)
		}
		return nil, nil
	}
}

// Certificate returns the certificate for a client: one for its name, exact before wildcard, that it can use. ECDSA and
// Ed25519 come before RSA; else the order is the one given. For an unknown name it returns the default, or in a strict
// store nil. With no other certificates in the Config, nil makes crypto/tls send unrecognized_name. It is a
// tls.Config.GetCertificate.
func (s *Store) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	x := s.serving.Load()
	c := x.choose(hello)
	switch {
	case c != nil:
		return c, nil
	case s.options.Strict:
		return s.refuse(hello)
	}
	return pick(hello, x.first, nil), nil
}

// refuse is a tls.Config.GetCertificate that returns none.
func (s *Store) refuse(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.options.Refused != nil {
		s.options.Refused(hello)
	}
	return nil, nil
}

// Has reports whether there is a certificate for name, also by a wildcard.
func (s *Store) Has(name string) bool { return s.serving.Load().has(name) }

// ClientCertificate returns the first certificate that a server accepts which asks for one; an empty one where it
// accepts none. It is a tls.Config.GetClientCertificate, so that the certificate for backends is renewed without a
// restart, too.
func (s *Store) ClientCertificate(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	for _, c := range s.serving.Load().all {
		if request.SupportsCertificate(c) == nil {
			return c, nil
		}
	}
	return new(tls.Certificate), nil
}
