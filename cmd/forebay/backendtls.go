package main

import (
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"time"

	"forebay/pool"
	"forebay/tls/certs"
	"forebay/tls/profile"
)

// A backendTLS makes a Config for each backend, and keeps it, since it holds the sessions that can be resumed.
type backendTLS struct {
	profile profile.Backend

	mu   sync.RWMutex
	made map[offer]*tls.Config
}

// An offer is a backend and the protocol that ALPN offers it; "" for none, or where the same protocols are always
// offered.
type offer struct{ backend, protocol string }

// mostMade bounds how many Configs are kept, also those of backends that have gone. At the bound all are made again.
const mostMade = 4096

// config returns the Config for b. protocol is the one that ALPN selected with the client. Several goroutines may call
// it.
func (t *backendTLS) config(b *pool.Backend, protocol string) *tls.Config {
	o := offer{b.Name(), protocol}
	if len(t.profile.Protocols) > 0 {
		o.protocol = ""
	}
	t.mu.RLock()
	c := t.made[o]
	t.mu.RUnlock()
	if c != nil {
		return c
	}
	return t.make(o)
}

func (t *backendTLS) make(o offer) *tls.Config {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.made[o]; c != nil {
		return c // another goroutine was quicker
	}
	if len(t.made) >= mostMade {
		clear(t.made)
	}
	c, err := t.of(o)
	if err != nil {
		panic(err) // the error can't come: every backend was checked before the first session
	}
	t.made[o] = c
	return c
}

// renew has every Config made again. The sessions in the old ones are lost: they were verified by the old authorities.
func (t *backendTLS) renew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.made)
}

// of makes the Config for an offer.
func (t *backendTLS) of(o offer) (*tls.Config, error) {
	p := t.profile
	if o.protocol != "" {
		p.Protocols = []profile.Protocol{profile.Protocol(o.protocol)}
	}
	return p.Config(hostOf(o.backend))
}

// hostOf returns the host in the name of a backend, by which its certificate is verified. For
// "db.example:5432(10.0.0.7)" it is "db.example"; for a path it is "".
func hostOf(backend string) string {
	if strings.HasPrefix(backend, "unix:") {
		return ""
	}
	place, _, _ := strings.Cut(backend, "(")
	host, _, err := net.SplitHostPort(place)
	if err != nil {
		return ""
	}
	return host
}

// planBackendTLS sets up TLS with backends.
func (c *commandLine) planBackendTLS(p *plan) {
	cfg, t := c.config, &p.tls
	t.backends = &backendTLS{made: make(map[offer]*tls.Config), profile: profile.Backend{
		MinVersion: cfg.BackendTLSMinVersion,
		ServerName: string(cfg.BackendSNI),
		Protocols:  protocols(cfg.BackendALPN),
		Unverified: bool(cfg.BackendTLSInsecure),
	}}
	if len(cfg.BackendCA) > 0 {
		roots, err := profile.LoadAuthorities(texts(cfg.BackendCA)...)
		if c.blame("backend-ca", err); err == nil {
			roots.WhenChanged(t.backends.renew)
			t.backends.profile.Roots = roots
		}
	}
	if cfg.BackendCert != "" {
		c.planShown(t)
	}
	if cfg.BackendTLSInsecure {
		p.note("backend-tls-insecure: anybody between here and a backend can read and change everything")
	}
	c.refuseNameless(p)
}

// planShown reads the certificate for backends that ask for one.
func (c *commandLine) planShown(t *tlsPlan) {
	pair := certs.Pair{Certificate: string(c.config.BackendCert), Key: string(c.config.BackendKey)}
	var err error
	t.shown, err = certs.Load([]certs.Pair{pair}, certs.Options{Report: t.tell}, time.Now())
	c.blamePairs(err, "backend-cert", "backend-key")
	if err == nil {
		t.backends.profile.Certificate = t.shown.ClientCertificate
	}
}

// refuseNameless refuses backends that have no name to be verified by.
func (c *commandLine) refuseNameless(p *plan) {
	if c.config.BackendSNI != "" || bool(c.config.BackendTLSInsecure) || c.named("backend-sni").rejected {
		return
	}
	for _, r := range p.routes {
		for _, b := range r.backends {
			if hostOf(b.Name) == "" && c.config.speaksTLS(r.route) {
				c.refuse("backend-tls", "backend %s is a path, and has no name to verify its certificate by; write it as --backend-sni NAME", b.Name)
			}
		}
	}
}
