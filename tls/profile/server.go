package profile

import (
	"crypto/tls"
	"errors"
	"sync/atomic"
)

// A Server is the configuration of TLS with clients. The zero value asks for no client certificate, and uses ticket
// keys of the process's own. It has no server certificates: see package certs.
type Server struct {
	MinVersion Version
	Protocols  []Protocol // in order of preference; none: what the client offers is ignored (RFC 7301, section 3.2)
	Clients    *Clients   // nil: no client certificate is asked for
	Tickets    *Tickets   // nil: the process's own keys, which crypto/tls changes each day
	ECH        *ECH       // nil: no Encrypted Client Hello
}

// suites returns the suites for TLS 1.2 with authenticated encryption and forward secrecy (RFC 9325, section 4.2).
// crypto/tls orders them by what is fastest on this machine. All suites of TLS 1.3 are of that kind.
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

// Config returns a new Config for one listener, without certificates. The caller uses it for all connections and does
// not clone it: it holds the ticket keys. The error names all faults.
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

// follow has clients of c verified by the new authorities when the authorities change. crypto/tls takes them from a
// Config, which must not change while it is used. So each change makes a new Config from c. A ticket is tied to the
// authorities at its time. With ticket keys from a file, the keys change with the authorities, so that an old ticket
// can't be decrypted. With the process's own keys, crypto/tls checks whether the authorities are still the same.
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
