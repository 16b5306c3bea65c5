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

// Options are what may differ between stores. The zero value gives strangers the first certificate, and reports to
// nobody.
type Options struct {
	// Strict refuses a client that gives a name for which there is no certificate, or none, with the alert
	// unrecognized_name (RFC 6066, section 3).
	Strict bool
	// Refused, if not nil, is told of each client that a strict store refuses. What crypto/tls says of it is that no
	// certificates are configured.
	Refused func(*tls.ClientHelloInfo)
	// Report, if not nil, is told what happens to the pairs. It is called by Check, one Event at a time, without locks
	// held.
	Report func(Event)
}

// A Store holds certificates by name. Load makes one. Its methods may be called from several goroutines.
type Store struct {
	options Options
	serving atomic.Pointer[index] // what everybody reads
	mu      sync.Mutex            // one Check at a time: nobody else waits for the disk
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

// publishLocked lets new handshakes, and snapshots, see what the entries hold now.
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

// Configure makes c, which must have no certificates of its own, serve those of s. In a strict store it also sets
// GetConfigForClient, which calls the one that was there: without that, a client that resumes a TLS 1.3 session would
// not be asked for its name, as no certificate is then needed.
func (s *Store) Configure(c *tls.Config) {
	c.GetCertificate = s.Certificate
	if !s.options.Strict {
		return
	}
	// No certificates and no tickets: crypto/tls gets as far as looking for a certificate, and sends unrecognized_name.
	refusal := &tls.Config{MinVersion: c.MinVersion, MaxVersion: c.MaxVersion, CipherSuites: c.CipherSuites, SessionTicketsDisabled: true,
		GetCertificate: s.refuse}
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

// Certificate returns what to serve a client: a certificate for its name, exact before wildcard, of a kind that it can
// use; ECDSA and Ed25519 before RSA, else in the order given. For another name it is the default, or in a strict store
// nil: with no other certificates in the Config, this is what makes crypto/tls send unrecognized_name. It is a
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

// refuse is a tls.Config.GetCertificate that has none.
func (s *Store) refuse(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.options.Refused != nil {
		s.options.Refused(hello)
	}
	return nil, nil
}

// Has reports whether there is a certificate for name, be it by a wildcard.
func (s *Store) Has(name string) bool { return s.serving.Load().has(name) }

// ClientCertificate returns what to show a server that asks for a certificate: the first that it accepts, or none. It
// is a tls.Config.GetClientCertificate, so that what is shown to backends is renewed without a restart, too.
func (s *Store) ClientCertificate(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	for _, c := range s.serving.Load().all {
		if request.SupportsCertificate(c) == nil {
			return c, nil
		}
	}
	return new(tls.Certificate), nil
}
