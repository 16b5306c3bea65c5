package main

import (
	"slices"

	"forebay/l4"
	"forebay/tls/profile"
	"forebay/tls/sni"
)

// A dependence is settings that have an effect only with another one.
type dependence struct {
	there     bool
	otherwise string // the fault where it is not there
	names     []string
}

// tlsDependences lists the dependences among the settings for TLS and routes.
func (c *config) tlsDependences() []dependence {
	set, _ := c.proxyTLVs()
	return []dependence{
		{len(c.TLSCerts) > 0, "no TLS ends here; add --tls-cert",
			[]string{"tls-key", "tls-strict-sni", "tls-min-version", "alpn",
				"handshake-timeout", "tls-ticket-keys", "tls-client-ca", "tls-ech-keys"}},
		{len(c.TLSClientCA) > 0, "no client is asked for a certificate; add --tls-client-ca",
			[]string{"tls-client-cert", "tls-client-allow",
				"tls-client-crl"}},
		{len(c.TLSCerts) > 0 ||
			bool(c.BackendTLS), "no TLS is spoken; add --tls-cert or --backend-tls", []string{"handshakes"}},
		{len(c.Routes) > 0 ||
			set&l4.ProxyAuthority != 0, "no ClientHello is waited for; add --route", []string{"hello-timeout"}},
		{bool(c.BackendTLS), "no TLS is spoken to backends; add --backend-tls",
			[]string{"backend-ca", "backend-sni", "backend-cert",
				"backend-alpn", "backend-tls-min-version", "backend-tls-insecure", "backend-tls-eof"}},
		{c.BackendCert != "", "there is no --backend-cert that it could be the key of", []string{"backend-key"}},
		{!bool(c.BackendTLSInsecure), "with --backend-tls-insecure nothing is verified; leave one out",
			[]string{"backend-ca"}},
	}
}

// reads reports whether the setting called name has an effect.
func (d dependence) reads(name string) bool { return d.there || !slices.Contains(d.names, name) }

// refuseUnread refuses settings that were given and have no effect.
func (c *commandLine) refuseUnread(all []dependence) {
	for _, d := range all {
		for _, name := range d.names {
			if !d.there && c.given(name) {
				c.refuse(name, "%s", d.otherwise)
			}
		}
	}
}

// validateTLS adds the faults of the settings for TLS. It reads no file.
func (c *commandLine) validateTLS() {
	c.refuseUnread(c.config.tlsDependences())
	if c.config.HandshakeTimeout == 0 {
		c.refuse("handshake-timeout", "0 leaves no time to agree on keys; write 10s")
	}
	if c.config.HelloTimeout == 0 {
		c.refuse("hello-timeout", "0 leaves no time for it to arrive; write 5s")
	}
	if c.config.HelloTimeout > c.config.HandshakeTimeout && len(c.config.TLSCerts)*len(c.config.Routes) > 0 {
		c.refuse("hello-timeout", "%v is more than --handshake-timeout %v, which begins with it", c.config.HelloTimeout,
			c.config.HandshakeTimeout)
	}
	c.refuseTwice("alpn", c.config.ALPN)
	c.refuseTwice("backend-alpn", c.config.BackendALPN)
}

func (c *commandLine) refuseTwice(name string, all []protocol) {
	for i, p := range all {
		if slices.Contains(all[:i], p) {
			c.refuseOne(name, "%s is there twice", p)
		}
	}
}

// validateRoutes adds the faults of the routes.
func (c *commandLine) validateRoutes() {
	if c.named("route").rejected {
		return // the routes are not all known
	}
	c.refuseOverlaps()
	c.validateDefault()
	c.validateEnds()
	for _, r := range c.config.Routes {
		c.validateProtocols(r)
	}
}

// refuseOverlaps refuses two routes for the same clients, and a name that one route has twice. A wildcard and a name
// that it covers are right: the name is an exception.
func (c *commandLine) refuseOverlaps() {
	var names sni.Names[route]
	protocols := map[profile.Protocol]bool{}
	for _, r := range c.config.Routes {
		for _, n := range r.names {
			if names.Add(n, r) != nil {
				c.refuse("route", "%s is routed twice; leave one out", n)
			}
		}
		for _, p := range r.protocols {
			if protocols[p] {
				c.refuse("route", "%s%s is routed twice; leave one out", protocolPrefix, p)
			}
			protocols[p] = true
		}
	}
}

// validateDefault refuses a route * beside BACKENDs.
func (c *commandLine) validateDefault() {
	if len(c.config.Backends) > 0 && slices.ContainsFunc(c.config.Routes, route.isDefault) {
		c.refuse("route", "%s is where the BACKENDs are for already, as both serve all the rest; leave one out",
			sni.Rest)
	}
}

// validateEnds adds a fault for routes that need a certificate where there is none, and for a certificate without a
// route that uses it.
func (c *commandLine) validateEnds() {
	cfg := c.config
	for _, r := range cfg.Routes {
		if r.tls == terminate && len(cfg.TLSCerts) == 0 && !c.named("tls-cert").rejected {
			c.refuse("route", "%s can't be terminated without a certificate; add --tls-cert, or leave out terminate",
				r.keys())
		}
	}
	all := cfg.routes()
	if len(cfg.TLSCerts) > 0 && !c.named("backend").rejected && !slices.ContainsFunc(all, cfg.terminates) {
		c.refuse("tls-cert", "no route ends TLS; name BACKENDs, or write terminate behind a --route")
	}
	if bool(cfg.BackendTLS) && !c.named("backend").rejected && !slices.ContainsFunc(all, cfg.speaksTLS) {
		c.refuse("backend-tls", "every route passes the clients' own TLS on, and it would stand in another; leave it out, or terminate with --tls-cert")
	}
}

// validateProtocols compares the protocols of a route with those of --alpn.
func (c *commandLine) validateProtocols(r route) {
	cfg := c.config
	for _, p := range r.protocols {
		offered := slices.Contains(cfg.ALPN, protocol(p))
		switch {
		case cfg.terminates(r) && !offered:
			c.refuse("route", "%s%s is terminated, and would not be agreed on; add --alpn %s", protocolPrefix, p, p)
		case !cfg.terminates(r) && offered:
			c.refuse("alpn", "%s is never agreed on, as --route %s%s takes every client that offers it; leave one out",
				p, protocolPrefix, p)
		}
	}
}
