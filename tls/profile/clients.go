package profile

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"slices"
)

// Clients says which clients are let in, by their certificates.
type Clients struct {
	Authorities *Authorities // the authorities that must have issued the certificates
	Optional    bool         // a client without a certificate is let in, too; one with a bad certificate is not
	Allow       Allow        // which certificates are let in; the zero value: all
	Revoked     *CRL         // nil: none
}

// apply sets the fields of c.
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

// verify checks a certificate that is valid and signed by an authority. crypto/tls calls it in resumed handshakes as
// well, with the certificate in the ticket. So a ticket does not let in a certificate that was revoked in the meantime.
func (k *Clients) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return nil // crypto/tls has refused the client already, unless a certificate is optional
	}
	if err := k.Revoked.check(state.VerifiedChains); err != nil {
		return err
	}
	return k.Allow.check(state.PeerCertificates[0])
}

// rules returns a digest of the rules for who is let in. Revocation is left out, since it is checked in each handshake.
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
