package health

import "context"

// TLS asks for a handshake, and so for a certificate that can be verified. It ends with close_notify and FIN, which nginx, HAProxy and
// crypto/tls log nothing about.
type TLS struct {
	Dialer
}

// Probe shakes hands and leaves.
func (p TLS) Probe(ctx context.Context, t Target) Result {
	return p.securely(ctx, t, nil, func(*talk) error { return nil })
}
