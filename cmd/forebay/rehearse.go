package main

import (
	"cmp"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"forebay/tls/certs"
	"forebay/tls/profile"
)

// rehearsal bounds a handshake within this process. It takes some milliseconds.
const rehearsal = 10 * time.Second

// rehearse does a handshake inside this process in each version that is accepted. So a setting with which every
// handshake fails is a fault of the command line.
func (c *commandLine) rehearse(t *tlsPlan) {
	for _, version := range []profile.Version{profile.TLS12, profile.TLS13} {
		if uint16(version) < t.clients.MinVersion {
			continue
		}
		if err := c.meet(t, version); err != nil {
			c.refuse("tls-cert", "no client gets in with TLS %s: %w", version, err)
			return
		}
	}
}

// meet does a handshake as a client without a certificate. Where the server asks for one, that is enough. A key that
// only clients by crypto/tls refuse is no fault.
func (c *commandLine) meet(t *tlsPlan, version profile.Version) error {
	here, there := net.Pipe()
	defer here.Close()
	here.SetDeadline(time.Now().Add(rehearsal))
	there.SetDeadline(time.Now().Add(rehearsal))
	beyond := false // for a client by crypto/tls
	server, certificate := t.clients.Clone(), t.clients.GetCertificate
	server.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, err := certificate(hello)
		if c != nil {
			alone, ok := certs.Alone(c)
			c, beyond = alone, !ok
		}
		return c, err
	}
	served := make(chan error, 1)
	go func() {
		defer there.Close()
		served <- tls.Server(there, server).Handshake()
	}()
	asked := false
	client := tls.Client(here, &tls.Config{
		MinVersion:         uint16(version),
		MaxVersion:         uint16(version),
		ServerName:         t.someName(),
		NextProtos:         t.clients.NextProtos,
		InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return new(tls.Certificate), nil
		},
	})
	fault := client.Handshake()
	here.Close()
	if refused := <-served; !asked && !beyond && fault != nil {
		return cmp.Or(refused, fault)
	}
	return nil
}

// someName returns a name that has a certificate, or "".
func (t *tlsPlan) someName() string {
	for _, s := range t.certificates() {
		for _, name := range s.Names {
			return strings.Replace(name, "*", "any", 1)
		}
	}
	return ""
}
