package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// TLS does a handshake and verifies the certificate. It ends with close_notify and FIN, about which nginx, HAProxy and
// crypto/tls log nothing.
//
// A server that asks for a certificate refuses it in TLS 1.3 only after the handshake. So the probe waits for that: a
// session would fail then, too.
type TLS struct {
	Dialer
}

// Probe does a handshake and leaves.
func (p TLS) Probe(ctx context.Context, t Target) Result {
	asked := false
	p.TLS = whenAsked(p.TLS, func() { asked = true })
	return p.securely(ctx, t, nil, func(c *talk) error {
		if !asked {
			return nil
		}
		return c.refusal()
	})
}

// whenAsked returns a copy of config that calls f when a server asks for a certificate, and answers as config would.
func whenAsked(config *tls.Config, f func()) *tls.Config {
	if config == nil {
		config = new(tls.Config)
	}
	config = config.Clone()
	shown := config.GetClientCertificate
	config.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		f()
		if shown != nil {
			return shown(request)
		}
		fits := func(c tls.Certificate) bool { return request.SupportsCertificate(&c) == nil }
		if i := slices.IndexFunc(config.Certificates, fits); i >= 0 {
			return &config.Certificates[i], nil
		}
		return new(tls.Certificate), nil
	}
	return config
}

// refusal ends this side's direction, and returns the alert with which the server ended the connection; nil where it
// sent none.
func (c *talk) refusal() error {
	c.closeWrite()
	c.raw.SetReadDeadline(time.Now().Add(leaveWithin))
	if c.ctx.Err() != nil {
		return nil
	}
	var b [1]byte
	_, err := c.conn.Read(b[:])
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	return nil
}
