package profile

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
	"time"
)

func TestClientsAreLetInByRules(t *testing.T) {
	h := newHouse(t)
	web, stranger := h.authority.client(t, "web"), newAuthority(t, "stranger", nil).client(t, "web")
	between := newAuthority(t, "between", h.authority).client(t, "far")
	for _, c := range []struct {
		name   string
		shows  *identity
		rules  Clients
		refuse string // what the server says; "": lets in
	}{
		{"required", web, Clients{}, ""},
		{"by one in between", between, Clients{}, ""},
		{"none", nil, Clients{}, "didn't provide a certificate"},
		{"none, optional", nil, Clients{Optional: true, Allow: Allow{CommonNames: []string{"x"}}}, ""},
		{"stranger's", stranger, Clients{}, "unknown authority"},
		{"stranger's, optional", stranger, Clients{Optional: true}, "unknown authority"},
		{"a server's", h.server, Clients{}, "key usage"},
		{"DNS", web, Clients{Allow: Allow{DNS: []string{"x", "WEB.example"}}}, ""},
		{"URI", web, Clients{Allow: Allow{URIs: []string{"spiffe://example/web"}}}, ""},
		{"e-mail", web, Clients{Allow: Allow{Emails: []string{"web@EXAMPLE.org"}}}, ""},
		{"e-mail of another", web, Clients{Allow: Allow{Emails: []string{"WEB@example.org"}}}, "not on the list"},
		{"common name", web, Clients{Allow: Allow{CommonNames: []string{"web"}}}, ""},
		{"pin", web, Clients{Allow: Allow{Pins: []Pin{PinOf(web.leaf)}}}, ""},
		{"one of several suffices", web, Clients{Allow: Allow{Pins: []Pin{{}}, DNS: []string{"web.example"}}}, ""},
		{"other names", web, Clients{Allow: Allow{DNS: []string{"web"}, URIs: []string{"spiffe://example/"}, CommonNames: []string{"Web"}, Pins: []Pin{{}}}}, "not on the list"},
		{"other names, optional", web, Clients{Optional: true, Allow: Allow{DNS: []string{"x"}}}, "not on the list"},
	} {
		c.rules.Authorities = trusting(h.authority)
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			client := h.client(c.shows)
			client.MaxVersion = version
			// Shown to a server that lists other authorities, too.
			client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if c.shows == nil {
					return new(tls.Certificate), nil
				}
				shown := c.shows.certificate()
				return &shown, nil
			}
			_, server, err := shake(t, h.config(t, Server{Clients: &c.rules}), client)
			if (c.refuse == "") != (server == nil && err == nil) || server != nil && !strings.Contains(server.Error(), c.refuse) {
				t.Errorf("%s, %s: got %v, %v, want %q", c.name, tls.VersionName(version), server, err, c.refuse)
			}
		}
	}
}

// TestURIsAreComparedAsWritten has certificates with URIs that net/url takes for the same, or writes in the same way.
func TestURIsAreComparedAsWritten(t *testing.T) {
	h := newHouse(t)
	const allowed = "spiffe://example/web"
	for _, uri := range []string{allowed, allowed + "#", "SPIFFE://example/web", "spiffe://example/w%65b", "spiffe://example/web/", allowed + "?"} {
		names := []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(uri)}}
		value, err := asn1.Marshal(names)
		client := issue(t, h.authority, &x509.Certificate{
			ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: must(t, value, err)}},
		})
		rules := &Clients{Authorities: trusting(h.authority), Allow: Allow{URIs: []string{allowed}}}
		_, serverErr, _ := shake(t, h.config(t, Server{Clients: rules}), h.client(client))
		if (serverErr == nil) != (uri == allowed) {
			t.Errorf("%s: got %v", uri, serverErr)
		}
	}
}

// TestRevokedClients has a client with a certificate, revokes it, and sees that a ticket does not let it in either.
func TestRevokedClients(t *testing.T) {
	h, dir := newHouse(t), t.TempDir()
	good, bad := h.authority.client(t, "good"), h.authority.client(t, "bad")
	far := newAuthority(t, "between", h.authority).client(t, "far")
	authorities := trusting(h.authority)
	next := time.Now().Add(time.Hour)
	path := write(t, dir, "crl.der", h.authority.revoke(t, next))
	revoked, err := LoadCRL(path, authorities)
	must(t, revoked, err)
	server := h.config(t, Server{Clients: &Clients{Authorities: authorities, Revoked: revoked}})
	client := h.client(bad)
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 2 {
		if state, serverErr, err := shake(t, server, client); serverErr != nil || err != nil || state.DidResume != (i == 1) {
			t.Fatalf("before: handshake %d: %v, %v, resumed %v", i, serverErr, err, state.DidResume)
		}
	}
	if _, serverErr, _ := shake(t, server, h.client(far)); serverErr == nil || !strings.Contains(serverErr.Error(), "no revocation list of \"CN=between\"") {
		t.Errorf("one whose issuer has no list: got %v", serverErr)
	}
	write(t, dir, "crl.der", encode("X509 CRL", h.authority.revoke(t, next, bad)))
	if e, ok := revoked.Check(); !ok || e.Err != nil {
		t.Fatalf("the new list: %v, %v", e, ok)
	}
	for i, c := range []*tls.Config{client, h.client(bad)} {
		if _, serverErr, _ := shake(t, server, c); serverErr == nil || !strings.Contains(serverErr.Error(), "has been revoked") {
			t.Errorf("revoked, with a ticket: %v: got %v", i == 0, serverErr)
		}
	}
	if _, serverErr, err := shake(t, server, h.client(good)); serverErr != nil || err != nil {
		t.Errorf("not revoked: got %v, %v", serverErr, err)
	}
	if got := revoked.Next(); got.Unix() != next.Unix() {
		t.Errorf("next list: got %v, want %v", got, next)
	}
	clock := next.Add(time.Minute)
	revoked.Now = func() time.Time { return clock }
	if _, serverErr, _ := shake(t, server, h.client(good)); serverErr == nil || !strings.Contains(serverErr.Error(), "was to be renewed by") {
		t.Errorf("list out of date: got %v", serverErr)
	}
	for look := range 3 {
		e, ok := revoked.Check()
		if ok != (look == 0) || ok && !strings.Contains(e.String(), "out of date since "+next.UTC().Format("2006-01-02 15:04")) {
			t.Errorf("list out of date, look %d: told of %v, %v", look, e, ok)
		}
	}
	next = next.Add(time.Hour)
	write(t, dir, "crl.der", h.authority.revoke(t, next))
	if e, ok := revoked.Check(); !ok || e.Err != nil || e.List.Age != Fresh {
		t.Errorf("renewed: told of %v, %v", e, ok)
	}
	if e, ok := revoked.Check(); ok {
		t.Errorf("renewed, second look: told of %v", e)
	}
	clock = next.Add(time.Minute)
	if e, ok := revoked.Check(); !ok || e.List.Age != Overdue || e.List.Next.Unix() != next.Unix() {
		t.Errorf("out of date again: told of %v, %v", e, ok)
	}
}

func TestCRLRefuses(t *testing.T) {
	a, b := newAuthority(t, "a", nil), newAuthority(t, "b", nil)
	list := a.revoke(t, time.Now())
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"empty":              {nil, "no revocation list"},
		"a certificate":      {encode("CERTIFICATE", a.leaf.Raw), "only revocation lists are right"},
		"garbage":            {encode("X509 CRL", []byte{1, 2}), "no revocation list"},
		"stranger's":         {encode("X509 CRL", b.revoke(t, time.Now())), "signed by none"},
		"two of the same":    {encode("X509 CRL", list, list), "two revocation lists"},
		"signed by no one":   {append(list[:len(list)-1:len(list)-1], list[len(list)-1]^1), "signed by none"},
		"PEM without a list": {[]byte("-----BEGIN"), "no revocation list in it"},
	} {
		_, err := LoadCRL(write(t, t.TempDir(), "crl", c.text), trusting(a))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
