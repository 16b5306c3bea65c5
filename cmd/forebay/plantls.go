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

// A tlsPlan is what a config says about TLS, its files read. What is not asked for is nil.
type tlsPlan struct {
	clients     *tls.Config
	store       *certs.Store // what clients are shown
	tickets     *profile.Tickets
	revoked     *profile.CRL
	authorities *profile.Authorities // of clients
	ech         *profile.ECH
	backends    *backendTLS
	shown       *certs.Store // what backends are shown

	report func(certs.Event) // set before anything is watched
}

// planTLS reads every file that TLS needs, and adds what is wrong with each.
func (c *commandLine) planTLS(p *plan) {
	if len(c.config.TLSCerts) > 0 {
		c.planClients(p)
	}
	if c.config.BackendTLS {
		c.planBackendTLS(p)
	}
}

// planClients settles how TLS is spoken with clients.
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

// configure makes what all routes share that end TLS: a ticket of one is good on the others, where the same clients are
// let in.
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

// explainStrictSNI says in the access log why a client was refused, who may have asked for anything of any length.
func explainStrictSNI(hello *tls.ClientHelloInfo) {
	asked := "a client that asks for no name"
	if hello.ServerName != "" {
		asked = fmt.Sprintf("%.255q", hello.ServerName)
	}
	l4.Explain(hello, fmt.Errorf("there is no certificate for %s (--tls-strict-sni)", asked))
}

// blamePairs adds what is wrong with certificates and their keys, each by the flag that named the file.
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

// tell hands on what has become of a certificate.
func (t *tlsPlan) tell(e certs.Event) { t.report(e) }

// pairs puts the files of certificates and keys together. A key that fits a certificate whose file has a key as well is
// that one's, though that would not need it; others belong to the certificates whose files have none, in their order.
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

// planClientCerts settles which clients are let in by their certificates; nil: all.
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
		a.enter(&clients.Allow) // which was possible when it was read
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
	t.ech, err = profile.LoadECH(string(c.config.TLSECHKeys), func(name string) error { return c.config.reaches(t.store, name) })
	c.blame("tls-ech-keys", err)
}

// reaches says why a client that asks for a public name in clear would not get what it needs here. What is wrong with
// the certificates has been told where there is no store.
func (c *config) reaches(store *certs.Store, name string) error {
	if store != nil && !store.Has(name) {
		return fmt.Errorf("the public name of a key is %s, and there is no certificate for it; add one with --tls-cert", name)
	}
	if r := c.routeOf(name); !c.terminates(r) {
		return fmt.Errorf("clients ask for %s in clear, and route %s does not end TLS; write terminate behind it", name, r.keys())
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

// routeOf returns where a client goes that asks for name.
func (c *config) routeOf(name string) route {
	var names sni.Names[route]
	for _, r := range c.routes() {
		for _, n := range r.names {
			names.Add(n, r) // two for one name are refused elsewhere
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
