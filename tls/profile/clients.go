package profile

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"slices"
)

// Clients is which clients are let in, by their certificates.
type Clients struct {
	Authorities *Authorities // who must have issued them
	Optional    bool         // a client without a certificate is let in, too; one with a bad one is not
	Allow       Allow        // which of them; the zero value: all
	Revoked     *CRL         // nil: none
}

// apply sets what c needs.
func (k *Clients) apply(c *tls.Config) error {
	if len(k.Authorities.List()) == 0 {
		return errors.New("client certificates are asked for, but no certificate authority is named to verify them by")
	}
	c.ClientCAs = k.Authorities.Pool()
	c.ClientAuth = tls.RequireAndVerifyClientCert
	if k.Optional {
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	c.VerifyConnection = k.verify
	return nil
}

// verify looks at a certificate that is signed by an authority and valid. crypto/tls calls it in resumed handshakes as
// well, with what the ticket says, so that a certificate that is revoked meanwhile does not get in by a ticket.
func (k *Clients) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return nil // crypto/tls has refused it, unless it is optional
	}
	if err := k.Revoked.check(state.VerifiedChains); err != nil {
		return err
	}
	return k.Allow.check(state.PeerCertificates[0])
}

// rules returns a digest of who gets in. Revocation is left out, as it is looked at each time.
func (k *Clients) rules() (digest [sha256.Size]byte) {
	h := sha256.New()
	add := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	if k == nil {
		return digest
	}
	add([]byte{map[bool]byte{false: 0, true: 1}[k.Optional]})
	var authorities [][]byte
	for _, c := range k.Authorities.List() {
		authorities = append(authorities, c.Raw)
	}
	slices.SortFunc(authorities, bytes.Compare)
	for _, list := range append([][][]byte{authorities}, k.Allow.lists()...) {
		add(binary.BigEndian.AppendUint64(nil, uint64(len(list))))
		for _, b := range list {
			add(b)
		}
	}
	h.Sum(digest[:0])
	return digest
}
