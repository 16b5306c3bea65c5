package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"forebay/l4"
	"forebay/tls/certs"
	"forebay/tls/profile"
	"forebay/tls/sni"
)

// A tlsPlan is the TLS settings of a config, with their files read. A field is nil where its setting is not used.
type tlsPlan struct {
	clients     *tls.Config
	store       *certs.Store // the certificates for clients
	tickets     *profile.Tickets
	revoked     *profile.CRL
	authorities *profile.Authorities // of clients
	ech         *profile.ECH
	backends    *backendTLS
	shown       *certs.Store // the certificates for backends

	report func(certs.Event) // set before the files are watched
}

// planTLS reads every file that TLS needs, and adds the faults of each.
func (c *commandLine) planTLS(p *plan) {
	if len(c.config.TLSCerts) > 0 {
		c.planClients(p)
	}
	if c.config.BackendTLS {
		c.planBackendTLS(p)
	}
}

// planClients sets up TLS with clients.
func (c *commandLine) planClients(p *plan) {
	cfg, t := c.config, &p.tls
	var err error
	options := certs.Options{Strict: bool(cfg.TLSStrictSNI), Refused: explainStrictSNI, Report: t.tell}
	t.store, err = certs.Load(c.pairs(), options, time.Now())
	c.blamePairs(err, "tls-cert", "tls-key")
	if cfg.TLSTicketKeys != "" {
		t.tickets, err = profile.LoadTickets(string(cfg.TLSTicketKeys))
		c.blame("tls-ticket-keys", err)
	}
	c.planECH(t)
	clients := c.planClientCerts(t)
	if c.faults.err() == nil {
		c.configure(t, clients)
	}
}

// configure makes the Config that all routes share that end TLS. So a ticket of one route is valid on the others.
func (c *commandLine) configure(t *tlsPlan, clients *profile.Clients) {
	cfg := c.config
	server := profile.Server{
		MinVersion: cfg.TLSMinVersion,
		Protocols:  protocols(cfg.ALPN),
		Clients:    clients,
		Tickets:    t.tickets,
		ECH:        t.ech,
	}
	var err error
	if t.clients, err = server.Config(); err != nil {
		c.blame("tls-cert", err)
		return
	}
	t.store.Configure(t.clients)
	if set, _ := cfg.proxyTLVs(); set&l4.ProxySSL != 0 {
		t.clients.GetCertificate = l4.Witnessed(t.clients.GetCertificate)
	}
	c.rehearse(t)
}

// explainStrictSNI says in the access log why a client was refused. The name is shortened, as a client may send any
// text of any length.
func explainStrictSNI(hello *tls.ClientHelloInfo) {
	asked := "a client that asks for no name"
	if hello.ServerName != "" {
		asked = fmt.Sprintf("%.255q", hello.ServerName)
	}
	l4.Explain(hello, fmt.Errorf("there is no certificate for %s (--tls-strict-sni)", asked))
}

// blamePairs adds the faults of certificates and their keys, each with the flag that named the file.
func (c *commandLine) blamePairs(err error, certificate, key string) {
	certificates, keys := c.named(certificate).value.texts(), c.named(key).value.texts()
	for _, part := range partsOf(err) {
		flag := certificate
		unread, ok := errors.AsType[*fs.PathError](part)
		if ok && slices.Contains(keys, unread.Path) && !slices.Contains(certificates, unread.Path) {
			flag = key
		}
		c.blame(flag, part)
	}
}

// tell passes an event on to t.report.
func (t *tlsPlan) tell(e certs.Event) { t.report(e) }

// pairs joins the files of certificates with those of keys. A key that fits a certificate belongs to it, even where the
// certificate's own file has a key as well. The other keys belong to the certificates whose files have no key, in
// order.
func (c *commandLine) pairs() (pairs []certs.Pair) {
	var lacking []int // pairs without a key in the certificate's file
	var holdings []certs.Holding
	for i, path := range texts(c.config.TLSCerts) {
		pairs, holdings = append(pairs, certs.Pair{Certificate: path}), append(holdings, certs.HoldingOf(path))
		if !holdings[i].Key {
			lacking = append(lacking, i)
		}
	}
	keys := slices.DeleteFunc(texts(c.config.TLSKeys), func(path string) bool {
		key := certs.HoldingOf(path)
		at := slices.IndexFunc(holdings, func(h certs.Holding) bool { return h.Key && h.FitsKeyOf(key) })
		if at >= 0 {
			pairs[at].Key = path
		}
		return at >= 0
	})
	for i, at := range lacking[:min(len(lacking), len(keys))] {
		pairs[at].Key = keys[i]
	}
	for _, key := range keys[min(len(lacking), len(keys)):] {
		c.refuse("tls-key", "%s is left over, as it fits no certificate that has a key in its file, and a key is missing in %d of %d certificate files; "+
			"leave it out, or add its --tls-cert", key, len(lacking), len(pairs))
	}
	return pairs
}

// planClientCerts returns which clients are let in by their certificates; nil: all are.
func (c *commandLine) planClientCerts(t *tlsPlan) *profile.Clients {
	cfg := c.config
	if len(cfg.TLSClientCA) == 0 {
		return nil
	}
	authorities, err := profile.LoadClientAuthorities(texts(cfg.TLSClientCA)...)
	c.blame("tls-client-ca", err)
	t.authorities = authorities
	clients := &profile.Clients{Authorities: authorities, Optional: cfg.TLSClientCert == certIfGiven}
	for _, a := range cfg.TLSClientAllow {
		a.enter(&clients.Allow) // no error: it was tried when it was read
	}
	if cfg.TLSClientCRL == "" || err != nil {
		return clients
	}
	t.revoked, err = profile.LoadCRL(string(cfg.TLSClientCRL), authorities)
	c.blame("tls-client-crl", err)
	clients.Revoked = t.revoked
	return clients
}

// planECH reads the keys for Encrypted Client Hello.
func (c *commandLine) planECH(t *tlsPlan) {
	if c.config.TLSECHKeys == "" {
		return
	}
	var err error
	t.ech, err = profile.LoadECH(string(c.config.TLSECHKeys),
		func(name string) error { return c.config.reaches(t.store, name) })
	c.blame("tls-ech-keys", err)
}

// reaches says why a client that sends a public name in clear can't learn the new key here. Without a store it checks
// no certificate: the fault of the certificates was reported.
func (c *config) reaches(store *certs.Store, name string) error {
	if store != nil && !store.Has(name) {
		return fmt.Errorf(
			"the public name of a key is %s, and there is no certificate for it; add one with --tls-cert", name)
	}
	if r := c.routeOf(name); !c.terminates(r) {
		return fmt.Errorf("clients ask for %s in clear, and route %s does not end TLS; write terminate behind it", name,
			r.keys())
	}
	return nil
}

// uncertified returns the public names for which there is no certificate.
func (t *tlsPlan) uncertified() []string {
	if t.ech == nil || t.store == nil {
		return nil
	}
	return slices.DeleteFunc(t.ech.PublicNames(), t.store.Has)
}

// routeOf returns the route for clients that ask for name.
func (c *config) routeOf(name string) route {
	var names sni.Names[route]
	for _, r := range c.routes() {
		for _, n := range r.names {
			names.Add(n, r) // two routes for one name are refused elsewhere
		}
	}
	r, _ := names.Lookup(name)
	return r
}

// texts returns all as strings.
func texts(all []text) []string {
	list := make([]string, len(all))
	for i, t := range all {
		list[i] = string(t)
	}
	return list
}
