package certs

import (
	"cmp"
	"crypto/rsa"
	"crypto/tls"
	"net"
	"time"
)

const (
	rehearsal  = 10 * time.Second // far longer than a handshake takes
	longestRSA = 8192             // bits: a client of crypto/tls takes no longer key; others do
)

// rehearse does a handshake with c inside this process. Whether a key can sign is known only then: crypto/tls also
// reads keys that it can't sign with, such as P-224 or RSA of 512 bits. It costs as much as one handshake.
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

// Alone returns c without the certificates that issued it, for a client within this process: as a client, crypto/tls
// refuses RSA keys of more than 8192 bits, even in certificates that it need not verify. ok is false where the key of c
// itself is longer than that.
func Alone(c *tls.Certificate) (alone *tls.Certificate, ok bool) {
	one := *c
	one.Certificate = c.Certificate[:1]
	key, isRSA := c.Leaf.PublicKey.(*rsa.PublicKey)
	return &one, !isRSA || key.N.BitLen() <= longestRSA
}
