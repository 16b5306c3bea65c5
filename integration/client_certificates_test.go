package integration

import (
	"crypto/tls"
	"strings"
	"testing"

	"forebay/l4/l4test"
)

// Who has no certificate of the right authority, or a revoked one, is refused, and nothing of it reaches a backend.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	a, other := l4test.NewAuthority(t), l4test.NewAuthority(t)
	site := endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}}))
	member := a.Issue("member", l4test.Leaf{CommonName: "member", Names: []string{"member.example"}})
	revoked := a.Issue("revoked", l4test.Leaf{CommonName: "revoked"})
	stranger := other.Issue("stranger", l4test.Leaf{CommonName: "member", Names: []string{"member.example"}})
	list := a.Revoke(revoked)
	for _, c := range []struct {
		name  string
		flags string
		has   *l4test.Identity
		enter bool
	}{
		{"right one", "", member, true},
		{"none", "", nil, false},
		{"of another authority", "", stranger, false},
		{"none where it is optional", "--tls-client-cert verify-if-given", nil, true},
		{"right one where it is optional", "--tls-client-cert verify-if-given", member, true},
		{"of another authority where it is optional", "--tls-client-cert verify-if-given", stranger, false},
		{"revoked", "--tls-client-crl " + list, revoked, false},
		{"not revoked", "--tls-client-crl " + list, member, true},
		{"allowed by name", "--tls-client-allow dns:member.example", member, true},
		{"not allowed by name", "--tls-client-allow dns:boss.example", member, false},
		{"not allowed by common name", "--tls-client-allow cn:boss --tls-client-allow cn:chief", member, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := l4test.Echo(t)
			f := start(t, append(append(site, "--tls-client-ca", a.File, b.Addr()), strings.Fields(c.flags)...)...)
			for version := uint16(tls.VersionTLS12); version <= tls.VersionTLS13; version++ {
				client := a.Client("a.example")
				client.MinVersion, client.MaxVersion = version, version
				if c.has != nil { // shown whatever the server asks for
					client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.has.Certificate, nil }
				}
				if !c.enter {
					wantNoEntry(t, f, client)
					continue
				}
				exchangeTLS(t, f, client)
			}
			wantVerdict(t, f, b, c.has, c.enter)
		})
	}
}

// wantVerdict fails unless the log tells of two clients that got in, or that did not, and the backend saw as many.
func wantVerdict(t *testing.T, f *forebay, b *l4test.Backend, has *l4test.Identity, enter bool) {
	t.Helper()
	cause, subject, connections := "handshake-failed", "", 0
	if enter {
		cause, connections = "client-closed", 2
		if has != nil {
			subject = has.Leaf.Subject.CommonName
		}
	}
	for _, e := range f.Sessions(2) {
		wantCause(t, e, cause)
		if enter && e.ClientTLS.Subject != subject {
			t.Errorf("the log tells of subject %q, want %q", e.ClientTLS.Subject, subject)
		}
		if !enter && e.ClientTLS.Fault == "" {
			t.Errorf("the log does not say why: %+v", e.ClientTLS)
		}
	}
	if n := b.Accepted(); n != connections {
		t.Errorf("the backend saw %d connections, want %d", n, connections)
	}
}

// Whom a certificate was taken from while forebay runs is out within a second.
func TestRevocationListIsReloaded(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	member := a.Issue("member", l4test.Leaf{CommonName: "member"})
	list := a.Revoke()
	f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})),
		"--tls-client-ca", a.File, "--tls-client-crl", list, l4test.Echo(t).Addr())...)
	client := a.Client("a.example", member)
	exchangeTLS(t, f, client)
	a.Revoke(member)
	f.Stderr.AwaitMatch(t, "a file has changed and is in use")
	wantNoEntry(t, f, client)
}
