package profile

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// vouched writes a file of authorities, and returns its path.
func vouched(t *testing.T, dir string, all ...*identity) string {
	t.Helper()
	var ders [][]byte
	for _, i := range all {
		ders = append(ders, i.leaf.Raw)
	}
	return write(t, dir, "ca.pem", encode("CERTIFICATE", ders...))
}

// checkAuthorities looks at each file of a once, and fails unless there is news of one, with what is wanted in it.
func checkAuthorities(t *testing.T, a *Authorities, want string) {
	t.Helper()
	var told []string
	for _, f := range a.Files() {
		if e, ok := f.Check(); ok {
			told = append(told, e.String())
		}
	}
	if len(told) != min(len(want), 1) || want != "" && !strings.Contains(told[0], want) {
		t.Errorf("told of %q, want %q", told, want)
	}
}

func TestAuthoritiesRefuse(t *testing.T) {
	a := newAuthority(t, "a", nil)
	dir := t.TempDir()
	good := write(t, dir, "good.pem", encode("CERTIFICATE", a.leaf.Raw, a.leaf.Raw))
	if got, err := LoadAuthorities(good, good); err != nil || len(got.List()) != 4 {
		t.Errorf("got %v, want 4", err)
	}
	for want, text := range map[string][]byte{
		"bad.pem: no certificate in it":                          []byte("x"),
		"bad.pem: line 1: PRIVATE KEY among":                     encode("PRIVATE KEY", []byte{1}),
		"bad.pem: certificate 2, line ":                          append(encode("CERTIFICATE", a.leaf.Raw), encode("CERTIFICATE", []byte{1})...),
		"bad.pem: line 1: CERTIFICATE begins there and does not": encode("CERTIFICATE", a.leaf.Raw)[:100],
		"it is binary (DER or PKCS #12)":                         a.leaf.Raw,
		"it is a TRUSTED CERTIFICATE":                            encode("TRUSTED CERTIFICATE", a.leaf.Raw),
	} {
		if _, err := LoadAuthorities(good, write(t, dir, "bad.pem", text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := LoadAuthorities(dir + "/absent"); err == nil {
		t.Error("a file that is not there is no fault")
	}
}

// TestAuthoritiesExpire: one that has expired may stand among others, and is refused where it is alone.
func TestAuthoritiesExpire(t *testing.T) {
	dir := t.TempDir()
	gone := issue(t, nil, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(-time.Minute)})
	both := write(t, dir, "both.pem", encode("CERTIFICATE", gone.leaf.Raw, newAuthority(t, "a", nil).leaf.Raw))
	alone := write(t, dir, "alone.pem", encode("CERTIFICATE", gone.leaf.Raw, gone.leaf.Raw))
	if got, err := LoadAuthorities(both); err != nil || len(got.List()) != 2 {
		t.Errorf("among others: got %v, want 2", err)
	}
	if _, err := LoadAuthorities(both, alone); err == nil || !strings.Contains(err.Error(), "alone.pem: no certificate in it is valid any more") {
		t.Errorf("alone: got %v", err)
	}
}

// TestAuthoritiesOfClientsAreReadAgain has one authority go and another come while clients of both have tickets.
func TestAuthoritiesOfClientsAreReadAgain(t *testing.T) {
	h := newHouse(t)
	old, fresh := newAuthority(t, "old", nil), newAuthority(t, "fresh", nil)
	for _, withKeys := range []bool{false, true} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			dir := t.TempDir()
			a, err := LoadClientAuthorities(vouched(t, dir, old))
			must(t, a, err)
			rules := Server{Clients: &Clients{Authorities: a}}
			if withKeys {
				rules.Tickets, _ = loadTickets(t, line('a'))
			}
			server := h.config(t, rules)
			clients := map[string]*tls.Config{}
			for name, by := range map[string]*identity{"old": old, "fresh": fresh} {
				clients[name] = h.client(by.client(t, name))
				clients[name].MaxVersion, clients[name].ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
			}
			expect := func(when, name string, in, resumed bool) {
				t.Helper()
				client := clients[name]
				shown := client.Certificates[0]
				client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
				state, serverErr, _ := shake(t, server, client)
				if (serverErr == nil) != in || in && state.DidResume != resumed {
					t.Errorf("%s, keys of a file: %v, %s, the client of %s: got %v, resumed %v; want in %v, resumed %v",
						tls.VersionName(version), withKeys, when, name, serverErr, state.DidResume, in, resumed)
				}
			}
			expect("at first", "old", true, false)
			expect("again", "old", true, true)
			expect("at first", "fresh", false, false)
			checkAuthorities(t, a, "")
			vouched(t, dir, fresh)
			checkAuthorities(t, a, "has changed and is in use")
			expect("changed", "fresh", true, false)
			expect("changed, again", "fresh", true, true)
			expect("changed", "old", false, false)
			write(t, dir, "ca.pem", []byte("half"))
			checkAuthorities(t, a, "")
			checkAuthorities(t, a, "can't be used, what it held before is kept")
			expect("bad", "fresh", true, true)
		}
	}
}

// TestTicketKeysReachRenewedConfigs changes the authorities and then the keys of tickets, and has a second listener
// with both as they are.
func TestTicketKeysReachRenewedConfigs(t *testing.T) {
	h, dir := newHouse(t), t.TempDir()
	other, web := newAuthority(t, "other", nil), h.authority.client(t, "web")
	a, err := LoadClientAuthorities(vouched(t, dir, h.authority))
	must(t, a, err)
	k, path := loadTickets(t, line('a'))
	server := h.config(t, Server{Clients: &Clients{Authorities: a}, Tickets: k})
	vouched(t, dir, h.authority, other)
	checkAuthorities(t, a, "in use")
	write(t, filepath.Dir(path), "tickets", []byte(line('b')))
	if e, ok := k.Check(); !ok || e.Err != nil {
		t.Fatalf("got %v, %v", e, ok)
	}
	next, _ := loadTickets(t, line('b'))
	if !resumes(t, h, server, h.config(t, Server{Clients: &Clients{Authorities: trusting(h.authority, other)}, Tickets: next}), web) {
		t.Error("not resumed by a listener that has begun with both")
	}
	if before, _ := loadTickets(t, line('a')); resumes(t, h, h.config(t, Server{Clients: &Clients{Authorities: trusting(h.authority)}, Tickets: before}), server, web) {
		t.Error("a ticket for other authorities is good")
	}
	if len(k.bound) != 2 {
		t.Errorf("%d Configs are given keys, want 2: the first one and the last", len(k.bound))
	}
}

func TestAuthoritiesOfBackendsAreReadAgain(t *testing.T) {
	h, dir := newHouse(t), t.TempDir()
	a, err := LoadAuthorities(vouched(t, dir, newAuthority(t, "other", nil)))
	b := Backend{Roots: must(t, a, err)}
	told := 0
	a.WhenChanged(func() { told++ })
	for _, want := range []bool{false, true} {
		config, err := b.Config("a.example")
		must(t, config, err)
		if _, _, err := shake(t, h.config(t, Server{}), config); (err == nil) != want {
			t.Errorf("got %v, want in: %v", err, want)
		}
		vouched(t, dir, h.authority)
		a.Files()[0].Check()
	}
	if told != 1 {
		t.Errorf("told %d times of one change", told)
	}
}

// TestTooManyAuthoritiesAreRefused: crypto/tls would fail every handshake.
func TestTooManyAuthoritiesAreRefused(t *testing.T) {
	h, dir := newHouse(t), t.TempDir()
	long := func() *x509.Certificate {
		name := pkix.Name{Organization: []string{strings.Repeat("x", 2000)}}
		return issue(t, nil, &x509.Certificate{Subject: name, IsCA: true, BasicConstraintsValid: true}).leaf
	}
	most := mostNames / (2 + len(long().RawSubject))
	file := func(name string, n int) string {
		var ders [][]byte
		for range n {
			ders = append(ders, long().Raw)
		}
		return write(t, dir, name, encode("CERTIFICATE", ders...))
	}
	a, err := LoadClientAuthorities(file("a", most-1), vouched(t, dir, h.authority))
	must(t, a, err)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := h.client(h.authority.client(t, "web"))
		client.MaxVersion = version
		if _, serverErr, err := shake(t, h.config(t, Server{Clients: &Clients{Authorities: a}}), client); serverErr != nil || err != nil {
			t.Errorf("as many as there may be, %s: %v, %v", tls.VersionName(version), serverErr, err)
		}
	}
	want := "b: the names of all "
	if _, err := LoadClientAuthorities(file("a", most-1), file("b", 2)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("too many: got %v, want %q", err, want)
	}
	if _, err := LoadAuthorities(file("a", most-1), file("b", 2)); err != nil {
		t.Errorf("of backends, who are told nothing: got %v", err)
	}
}
