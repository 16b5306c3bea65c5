package certs

import (
	"cmp"
	"crypto/rsa"
	"crypto/tls"
	"net"
	"time"
)

const (
	rehearsal  = 10 * time.Second // far longer than it takes
	longestRSA = 8192             // bits of a key that crypto/tls takes as a client; others take longer ones
)

// rehearse shakes hands over c with itself, as what a key can do is known only when it has signed: crypto/tls reads
// keys that it can't sign with, such as P-224, or RSA of 512 bits. It takes what one handshake takes.
func rehearse(c *tls.Certificate) error {
	alone, ok := Alone(c)
	if !ok {
		return nil
	}
	here, there := net.Pipe()
	defer here.Close()
	here.SetDeadline(time.Now().Add(rehearsal))
	there.SetDeadline(time.Now().Add(rehearsal))
	served := make(chan error, 1)
	go func() {
		defer there.Close()
		server := tls.Server(there, &tls.Config{Certificates: []tls.Certificate{*alone}, SessionTicketsDisabled: true})
		served <- server.Handshake()
	}()
	client := tls.Client(here, &tls.Config{InsecureSkipVerify: true})
	fault := client.Handshake()
	return cmp.Or(<-served, fault)
}

// Alone returns c without the certificates that issued it, as a client within this process can take it: crypto/tls as a
// client refuses RSA keys of more than 8192 bits, also those of certificates that it would never verify. ok is false
// where the key of c itself is such a one.
func Alone(c *tls.Certificate) (alone *tls.Certificate, ok bool) {
	one := *c
	one.Certificate = c.Certificate[:1]
	key, isRSA := c.Leaf.PublicKey.(*rsa.PublicKey)
	return &one, !isRSA || key.N.BitLen() <= longestRSA
}
