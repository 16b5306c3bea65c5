package profile

import (
	"crypto/tls"
	"errors"
	"sync/atomic"
)

// A Server is how TLS is spoken with clients. The zero value asks for no client certificate and keeps ticket keys in
// the process. Load has its files read; certificates come from elsewhere.
type Server struct {
	MinVersion Version
	Protocols  []Protocol // in order of preference; none: whatever the client offers is passed over in silence (RFC 7301, section 3.2)
	Clients    *Clients   // nil: no client certificate is asked for
	Tickets    *Tickets   // nil: keys of the process's own, changed each day by crypto/tls
	ECH        *ECH       // nil: no Encrypted Client Hello
}

// suites are those for TLS 1.2 that authenticate what they encrypt and have forward secrecy (RFC 9325, section 4.2).
// crypto/tls orders them by what the machine does fastest. Those of TLS 1.3 are all of that kind.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// Config returns a Config of its own for one listener, without certificates. It is used as it is, not cloned per
// connection: tickets hang on it. The error tells all faults.
func (s *Server) Config() (*tls.Config, error) {
	c := &tls.Config{
		MinVersion:   s.MinVersion.number(),
		CipherSuites: suites(),
		NextProtos:   names(s.Protocols),

		DynamicRecordSizingDisabled: true, // see Backend.Config
	}
	faults := []error{checkProtocols(s.Protocols)}
	if s.Clients != nil {
		faults = append(faults, s.Clients.apply(c))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if s.Clients != nil {
		s.follow(c)
	}
	if s.ECH != nil {
		c.GetEncryptedClientHelloKeys = s.ECH.keys
	}
	if s.Tickets != nil {
		s.Tickets.bind(c, s.Clients.rules())
	}
	return c, nil
}

// follow has clients of c verified by the authorities as they are, once these are others than now. crypto/tls takes
// them from a Config that must not change while it is used, so each time there is a new one, of all that c has by then.
// A ticket stands for the authorities of its time: one from a file's keys is not understood any more, and for one of
// the process's own crypto/tls looks whether they are still there.
func (s *Server) follow(c *tls.Config) {
	var now atomic.Pointer[tls.Config]
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return now.Load(), nil }
	s.Clients.Authorities.WhenChanged(func() {
		next := c.Clone()
		next.GetConfigForClient, next.ClientCAs = nil, s.Clients.Authorities.Pool()
		if s.Tickets != nil {
			s.Tickets.unbind(now.Load())
			s.Tickets.bind(next, s.Clients.rules())
		}
		now.Store(next)
	})
}
