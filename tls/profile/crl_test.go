package profile

import (
	"crypto/tls"
	"crypto/x509"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestRevocationReachesUpToTheRoot has a client of an authority in between. OpenSSL, where it is there, must be of the
// same mind.
func TestRevocationReachesUpToTheRoot(t *testing.T) {
	root := newAuthority(t, "root", nil)
	inter := newAuthority(t, "inter", root)
	leaf := inter.client(t, "leaf")
	next := time.Now().Add(time.Hour)
	ofRoot, ofInter := root.revoke(t, next), inter.revoke(t, next)
	both := []*x509.Certificate{root.leaf, inter.leaf}
	for _, c := range []struct {
		name        string
		authorities []*x509.Certificate
		lists       [][]byte
		refuse      string
		alone       bool // the root is not there, which is nothing to OpenSSL
	}{
		{"none revoked", both, [][]byte{ofRoot, ofInter}, "", false},
		{"the client's", both, [][]byte{ofRoot, inter.revoke(t, next, leaf)}, `"CN=leaf", serial number`, false},
		{"the authority's", both, [][]byte{root.revoke(t, next, inter), ofInter}, `"CN=inter", serial number`, false},
		{"the authority's, the other way round", []*x509.Certificate{inter.leaf, root.leaf}, [][]byte{ofInter, root.revoke(t, next, inter)}, `"CN=inter", serial number`, false},
		{"no list of the root", both, [][]byte{ofInter}, `no revocation list of "CN=root"`, false},
		{"no list of the authority", both, [][]byte{ofRoot}, `no revocation list of "CN=inter"`, false},
		{"list of the root out of date", both, [][]byte{root.revoke(t, time.Now().Add(-time.Minute)), ofInter}, `list of "CN=root" was to be renewed`, false},
		{"no root, none revoked", both[1:], [][]byte{ofInter}, "", true},
		{"no root, the client's", both[1:], [][]byte{inter.revoke(t, next, leaf)}, `"CN=leaf", serial number`, true},
	} {
		crl := write(t, t.TempDir(), "crl", encode("X509 CRL", c.lists...))
		revoked, err := LoadCRL(crl, listing(c.authorities))
		clients := &Clients{Authorities: listing(c.authorities), Revoked: must(t, revoked, err)}
		h := newHouse(t)
		server := h.config(t, Server{Clients: clients})
		for what, up := range map[string][]*x509.Certificate{"alone": nil, "with its authority": leaf.up} {
			shown := *leaf
			shown.up = up
			_, serverErr, _ := shake(t, server, h.client(&shown))
			if (serverErr == nil) != (c.refuse == "") || serverErr != nil && !strings.Contains(serverErr.Error(), c.refuse) {
				t.Errorf("%s, shown %s: got %v, want %q", c.name, what, serverErr, c.refuse)
			}
		}
		if !c.alone {
			wantOpenSSL(t, c.name, crl, c.authorities, leaf, c.refuse == "")
		}
	}
}

// wantOpenSSL fails unless OpenSSL lets in a client with all certificates looked up, or does not.
func wantOpenSSL(t *testing.T, name, crl string, authorities []*x509.Certificate, client *identity, in bool) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		return
	}
	var ca []byte
	for _, a := range authorities {
		ca = append(ca, encode("CERTIFICATE", a.Raw)...)
	}
	dir := t.TempDir()
	said, err := exec.Command(path, "verify", "-crl_check_all", "-CAfile", write(t, dir, "ca.pem", ca), "-CRLfile", crl,
		write(t, dir, "client.pem", encode("CERTIFICATE", client.leaf.Raw))).CombinedOutput()
	if (err == nil) != in {
		t.Errorf("%s: OpenSSL says %v, %s", name, err, said)
	}
}

// TestRevokedAuthorityEndsTickets: a client of an authority that has been revoked since does not get in by its ticket.
func TestRevokedAuthorityEndsTickets(t *testing.T) {
	h, dir, next := newHouse(t), t.TempDir(), time.Now().Add(time.Hour)
	inter := newAuthority(t, "inter", h.authority)
	authorities := trusting(h.authority, inter)
	path := write(t, dir, "crl", encode("X509 CRL", h.authority.revoke(t, next), inter.revoke(t, next)))
	revoked, err := LoadCRL(path, authorities)
	server := h.config(t, Server{Clients: &Clients{Authorities: authorities, Revoked: must(t, revoked, err)}})
	clients := map[string]*tls.Config{}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := h.client(inter.client(t, "leaf"))
		client.MaxVersion, client.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
		for i := range 2 {
			if state, serverErr, err := shake(t, server, client); serverErr != nil || err != nil || state.DidResume != (i == 1) {
				t.Fatalf("before: handshake %d: %v, %v, resumed %v", i, serverErr, err, state.DidResume)
			}
		}
		clients[tls.VersionName(version)] = client
	}
	write(t, dir, "crl", encode("X509 CRL", h.authority.revoke(t, next, inter), inter.revoke(t, next)))
	if e, ok := revoked.Check(); !ok || e.Err != nil {
		t.Fatalf("the new lists: %v, %v", e, ok)
	}
	for version, client := range clients {
		if _, serverErr, _ := shake(t, server, client); serverErr == nil || !strings.Contains(serverErr.Error(), "has been revoked") {
			t.Errorf("%s: got %v", version, serverErr)
		}
	}
}

// TestCrossSignedAuthority: what one root has revoked, another one may still vouch for.
func TestCrossSignedAuthority(t *testing.T) {
	a, b := newAuthority(t, "a", nil), newAuthority(t, "b", nil)
	next := time.Now().Add(time.Hour)
	inter := newAuthority(t, "inter", a)
	cross := inter.signedBy(t, b)
	leaf := inter.client(t, "leaf")
	for name, c := range map[string]struct {
		byA, byB []*identity
		in       bool
	}{
		"by none": {nil, nil, true},
		"by one":  {[]*identity{inter}, nil, true},
		"by both": {[]*identity{inter}, []*identity{cross}, false},
	} {
		authorities := trusting(inter, cross, a, b)
		lists := encode("X509 CRL", a.revoke(t, next, c.byA...), b.revoke(t, next, c.byB...), inter.revoke(t, next))
		revoked, err := LoadCRL(write(t, t.TempDir(), "crl", lists), authorities)
		h := newHouse(t)
		server := h.config(t, Server{Clients: &Clients{Authorities: authorities, Revoked: must(t, revoked, err)}})
		if _, serverErr, _ := shake(t, server, h.client(leaf)); (serverErr == nil) != c.in {
			t.Errorf("revoked %s: got %v", name, serverErr)
		}
	}
}

// TestEndOfEachListIsTold has a list that lives for ten hours, one for eleven and one for a thousand, and sees each
// told of twice.
func TestEndOfEachListIsTold(t *testing.T) {
	ten, eleven, thousand := newAuthority(t, "ten", nil), newAuthority(t, "eleven", nil), newAuthority(t, "thousand", nil)
	made := time.Now().Add(-time.Hour)
	text := encode("X509 CRL", thousand.revoke(t, made.Add(1000*time.Hour)), eleven.revoke(t, made.Add(11*time.Hour)), ten.revoke(t, made.Add(10*time.Hour)))
	c, err := LoadCRL(write(t, t.TempDir(), "crl", text), trusting(ten, eleven, thousand))
	must(t, c, err)
	var clock time.Time
	c.Now = func() time.Time { return clock }
	for _, look := range []struct {
		age  time.Duration // of all lists
		want []string      // what is told, each time that it is looked at
	}{
		{8*time.Hour + 59*time.Minute, nil},
		{9*time.Hour + time.Minute, []string{`the revocation list of "CN=ten" in`, ""}},
		{9*time.Hour + 53*time.Minute, nil},
		{10*time.Hour + time.Minute, []string{`the revocation list of "CN=ten" in`, `the revocation list of "CN=eleven" in`, ""}},
		{11*time.Hour + time.Minute, []string{`the revocation list of "CN=eleven" in`, ""}},
		{(1000 - 73) * time.Hour, nil},
		{(1000 - 71) * time.Hour, []string{`the revocation list of "CN=thousand" in`, ""}},
		{1001 * time.Hour, []string{`the revocation list of "CN=thousand" in`, ""}},
	} {
		clock = made.Add(look.age)
		if look.want == nil {
			look.want = []string{""}
		}
		for i, want := range look.want {
			e, ok := c.Check()
			if ok != (want != "") || ok && !strings.HasPrefix(e.String(), want) {
				t.Errorf("after %v, look %d: told of %v, %v, want %q", look.age, i, e, ok, want)
			}
		}
	}
}
