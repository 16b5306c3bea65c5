package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"forebay/tls/certs"
	"forebay/tls/profile"
)

// furnished has certificates, keys and other files of each kind, good and bad ones.
func furnished(t testing.TB) folder {
	f := newFolder(t)
	ca := f.authority("ca")
	other := f.authority("other")
	f.pair("site", ca, year, "www.example.com", "example.com")
	both := f.pair("wild", ca, year, "*.apps.example.com")
	f.write("both.pem", both.private(t), both.certificate())
	f.pair("soon", ca, week, "soon.example")
	f.pair("old", ca, past, "old.example")
	f.write("ca.crl", f.revocations(ca, time.Hour))
	f.write("late.crl", f.revocations(ca, -time.Minute))
	f.write("soon.crl", f.revocations(ca, 6*time.Minute)) // of 66
	f.write("other.crl", f.revocations(other, time.Hour))
	f.writeText("tickets", []byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"))
	f.writeText("empty", nil)
	for file, name := range map[string]string{"ech.pem": "www.example.com", "stray.pem": "public.example"} {
		if _, stderr, status := invoke(nil, "ech-key", name, f.path(file)); status != exitDone {
			t.Fatalf("%s: %s", file, stderr)
		}
	}
	return f
}

func (f folder) revocations(by *identity, next time.Duration, revoked ...*identity) *pem.Block {
	f.t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(next)}
	for _, r := range revoked {
		entry := x509.RevocationListEntry{SerialNumber: r.leaf.SerialNumber, RevocationTime: list.ThisUpdate}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, entry)
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, by.leaf, by.key)
	if err != nil {
		f.t.Fatal(err)
	}
	return &pem.Block{Type: "X509 CRL", Bytes: der}
}

func TestCheckShowsCertificatesAndRoutes(t *testing.T) {
	f := furnished(t)
	stdout, stderr, status := invoke(nil, append([]string{"check"}, f.args("--tls-cert $D/site.pem --tls-cert $D/both.pem --tls-cert $D/soon.pem "+
		"--tls-key $D/site.key --tls-key $D/soon.key --tls-client-ca $D/ca.pem --tls-client-crl $D/ca.crl --tls-ticket-keys $D/tickets "+
		"--tls-ech-keys $D/ech.pem --alpn h2,http/1.1 --backend-tls --backend-ca $D/ca.pem --backend-cert $D/wild.pem --backend-key $D/wild.key "+
		"--route a.apps.example.com,*.b.example=127.0.0.1:1,weight=2,127.0.0.1:2,terminate --route db.example.com,alpn:acme-tls/1=127.0.0.1:3 "+
		"--route x.example=refuse 127.0.0.1:8000-8001")...)...)
	if stderr != "" || status != exitDone {
		t.Fatalf("got %q and status %d", stderr, status)
	}
	until := func(valid time.Duration) string { return time.Now().Add(valid).UTC().Format("2006-01-02") }
	for _, want := range []string{
		fmt.Sprintf("certificate %s/site.pem with key %[1]s/site.key is for example.com, www.example.com and all others, ECDSA P-256, valid until %s", f.dir, until(year)),
		fmt.Sprintf("certificate %s/both.pem is for *.apps.example.com, ECDSA P-256, valid until", f.dir),
		fmt.Sprintf("certificate %s/wild.pem with key %[1]s/wild.key for backends is that of *.apps.example.com, ECDSA P-256", f.dir),
		"route a.apps.example.com,*.b.example ends TLS and goes to 127.0.0.1:1, 127.0.0.1:2 over TLS\n" +
			"route db.example.com,alpn:acme-tls/1 passes to 127.0.0.1:3\nroute x.example is refused\n" +
			"route * ends TLS and goes to 127.0.0.1:8000, 127.0.0.1:8001 over TLS\n",
		"\nbackend 127.0.0.1:3 is 127.0.0.1:3\n",
		fmt.Sprintf("\nrevocation lists in %s/ca.crl are good until ", f.dir),
		fmt.Sprintf("\ncertificate %s/soon.pem with key %[1]s/soon.key expires on %s", f.dir, until(week)),
		"\nroute *.b.example ends TLS, and there is no certificate for it",
		"--route=a.apps.example.com,*.b.example=127.0.0.1:1,weight=2,127.0.0.1:2,terminate'",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got\n%swant it to have\n%s", stdout, want)
		}
	}
	if strings.Count(stdout, " ends TLS") != 3 || strings.Count(stdout, "expires on") != 1 {
		t.Errorf("got\n%swant one note about a route and one about a certificate", stdout)
	}
}

// What is in the files is looked at before anything starts, and all that is wrong with them is told.
func TestFaultyFiles(t *testing.T) {
	f := furnished(t)
	pair := "--tls-cert $D/site.pem --tls-key $D/site.key "
	for args, want := range map[string]string{
		"--tls-cert $D/site.pem --tls-key $D/wild.key":       "--tls-cert: the key in $D/wild.key is not that of the certificate in $D/site.pem",
		"--tls-cert $D/site.pem":                             "--tls-cert: $D/site.pem: no private key in it, only CERTIFICATE; name the file of its key as well",
		"--tls-cert $D/site.pem --tls-key $D":                "--tls-key: read $D: is a directory",
		"--tls-cert $D/site.pem --tls-key $D/none":           "--tls-key: open $D/none: no such file or directory",
		"--tls-cert $D/old.pem --tls-key $D/old.key":         "--tls-cert: certificate $D/old.pem expired on",
		"--tls-cert $D/empty --tls-key $D/site.key":          "--tls-cert: $D/empty: no certificate in it, nor anything else in PEM",
		pair + "--tls-cert $D/both.pem --tls-key $D/old.key": "--tls-key: $D/old.key is left over, as it fits no certificate that has a key in its file, and a key is missing in 1 of 2 certificate files; leave it out, or add its --tls-cert",
		pair + pair:                            "--tls-cert: certificate $D/site.pem with key $D/site.key is given twice",
		pair + "--tls-ticket-keys $D/site.key": "--tls-ticket-keys: $D/site.key: line 1 is no session ticket key",
		pair + "--tls-client-ca $D/site.key":   "--tls-client-ca: $D/site.key: line 1: PRIVATE KEY among the certificates",
		pair + "--tls-client-ca $D/ca.pem --tls-client-crl $D/other.crl":       "--tls-client-crl: $D/other.crl: line 1: the revocation list of",
		pair + "--tls-ech-keys $D/stray.pem":                                   "--tls-ech-keys: $D/stray.pem: the public name of a key is public.example, and there is no certificate for it; add one with --tls-cert",
		pair + "--tls-ech-keys $D/ech.pem --route www.example.com=127.0.0.1:9": "--tls-ech-keys: $D/ech.pem: clients ask for www.example.com in clear, and route www.example.com does not end TLS; write terminate behind it",
		"--backend-tls --backend-cert $D/site.pem --backend-key $D/wild.key":   "--backend-cert: the key in $D/wild.key is not that of the certificate in $D/site.pem",
		"--backend-tls --backend-ca $D/empty":                                  "--backend-ca: $D/empty: no certificate in it",
	} {
		for _, command := range []string{"check", "serve"} {
			_, stderr, status := invoke(nil, append([]string{command, "-l", "127.0.0.1:0", "127.0.0.1:8000"}, f.args(args)...)...)
			want := "forebay: " + strings.ReplaceAll(want, "$D", f.dir)
			if !strings.HasPrefix(stderr, want) || strings.Count(stderr, "\n") != 1 || status != exitUsage {
				t.Errorf("%s %s: got status %d and\n%swant\n%s", command, args, status, stderr, want)
			}
		}
	}
}

// TestKeysMayStandTwice has a key of its own named for a certificate that has it in its file, as users of nginx do.
func TestKeysMayStandTwice(t *testing.T) {
	f := furnished(t)
	for args, want := range map[string][]certs.Pair{
		"--tls-cert $D/both.pem --tls-key $D/both.pem": {{Certificate: f.path("both.pem"), Key: f.path("both.pem")}},
		"--tls-cert $D/both.pem --tls-key $D/wild.key": {{Certificate: f.path("both.pem"), Key: f.path("wild.key")}},
		"--tls-cert $D/both.pem --tls-cert $D/site.pem --tls-key $D/wild.key --tls-key $D/site.key": {
			{Certificate: f.path("both.pem"), Key: f.path("wild.key")}, {Certificate: f.path("site.pem"), Key: f.path("site.key")}},
		"--tls-cert $D/site.pem --tls-cert $D/both.pem --tls-key $D/both.pem --tls-key $D/site.key": {
			{Certificate: f.path("site.pem"), Key: f.path("site.key")}, {Certificate: f.path("both.pem"), Key: f.path("both.pem")}},
	} {
		c := read(nil, f.args(args+" 127.0.0.1:1")...)
		if got := c.pairs(); !slices.Equal(got, want) || c.faults.err() != nil {
			t.Errorf("%s: got %v, %v, want %v", args, got, c.faults.err(), want)
		}
		if _, stderr, status := invoke(nil, append([]string{"check", "-l", "127.0.0.1:0", "127.0.0.1:1"}, f.args(args)...)...); status != exitDone {
			t.Errorf("%s: got status %d, %s", args, status, stderr)
		}
	}
}

// TestRehearsalFindsWhatFailsEveryClient asks for certificates by more names of authorities than a message takes.
func TestRehearsalFindsWhatFailsEveryClient(t *testing.T) {
	f := furnished(t)
	args := f.args("--tls-cert $D/site.pem --tls-key $D/site.key --tls-client-ca $D/ca.pem -l 127.0.0.1:0 127.0.0.1:1")
	c := read(nil, args...)
	p := c.plan(t.Context(), nil)
	if err := c.faults.err(); err != nil {
		t.Fatal(err)
	}
	for range 40 {
		long := pkix.Name{Organization: []string{strings.Repeat("x", 2000)}}
		p.tls.clients.ClientCAs.AddCert(f.issue(nil, &x509.Certificate{Subject: long, IsCA: true, BasicConstraintsValid: true}).leaf)
	}
	c.rehearse(&p.tls)
	if err := c.faults.err(); err == nil || !strings.Contains(err.Error(), "--tls-cert: no client gets in with TLS 1.2: ") {
		t.Errorf("got %v", err)
	}
}

// TestRehearsalKnowsItsLimits has certificates with RSA keys that crypto/tls as a client refuses, and others take.
func TestRehearsalKnowsItsLimits(t *testing.T) {
	f := furnished(t)
	long := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 8192, 1), E: 65537}
	ca := f.authority("long")
	above, err := x509.CreateCertificate(rand.Reader, ca.leaf, ca.leaf, long, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	site := f.issue(ca, &x509.Certificate{DNSNames: []string{"long.example"}})
	f.write("chain.pem", site.certificate(), &pem.Block{Type: "CERTIFICATE", Bytes: above}, site.private(t))
	if _, stderr, status := invoke(nil, f.args("check --tls-cert $D/chain.pem -l 127.0.0.1:0 127.0.0.1:1")...); status != exitDone {
		t.Errorf("above: got status %d, %s", status, stderr)
	}
	c := read(nil, f.args("--tls-cert $D/site.pem --tls-key $D/site.key -l 127.0.0.1:0 127.0.0.1:1")...)
	p := c.plan(t.Context(), nil)
	p.tls.clients.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return &tls.Certificate{Certificate: [][]byte{above}, PrivateKey: site.key, Leaf: &x509.Certificate{PublicKey: long}}, nil
	}
	if c.rehearse(&p.tls); c.faults.err() != nil {
		t.Errorf("its own: got %v", c.faults.err())
	}
}

func TestAllFaultyFilesAreTold(t *testing.T) {
	f := furnished(t)
	_, stderr, _ := invoke(nil, f.args("--tls-cert $D/old.pem --tls-key $D/old.key --tls-cert $D/site.pem --tls-key $D/wild.key "+
		"--tls-client-ca $D/ca.pem --tls-client-crl $D/other.crl --backend-tls --backend-ca $D/empty --alpn h2 --route *=127.0.0.1:1,pass 127.0.0.1:8000")...)
	for _, want := range []string{"--route: * is where", "--tls-cert: no route ends TLS", "--tls-cert: certificate", "--tls-cert: the key", "--tls-client-crl: ", "--backend-ca: "} {
		if !strings.Contains(stderr, "forebay: "+want) {
			t.Errorf("got\n%swant %q", stderr, want)
		}
	}
}

func TestBannerTellsOfTLS(t *testing.T) {
	f := furnished(t)
	var stdout, stderr bytes.Buffer
	e := testEnv(&stdout, &stderr, f.args("-l 127.0.0.1:0 --tls-cert $D/both.pem --route db.example.com=127.0.0.1:9 127.0.0.1:8000")...)
	e.stderrIs = toTerminal
	run(e)
	for _, want := range []string{"\n  TLS        ends here, for *.apps.example.com\n", "\n  routes     db.example.com\n"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("got %s, want it to have %q", &stderr, want)
		}
	}
}

func TestEndsOfRevocationListsAreTold(t *testing.T) {
	f := furnished(t)
	for file, want := range map[string]struct{ note, level, message string }{
		"late.crl": {"is out of date: no client gets in", "ERROR", "a revocation list is out of date"},
		"soon.crl": {"goes out of date on", "WARN", "a revocation list is about to go out of date"},
	} {
		args := f.args("-l 127.0.0.1:0 --tls-cert $D/both.pem --tls-client-ca $D/ca.pem --tls-client-crl $D/" + file)
		stdout, _, status := invoke(nil, append([]string{"check", "127.0.0.1:8000"}, args...)...)
		if note := "\nthe list of CN=ca in " + f.path(file) + " " + want.note; !strings.Contains(stdout, note) || status != exitDone {
			t.Errorf("%s: got status %d and\n%swant it to have %q", file, status, stdout, note)
		}
		r := start(t, args...)
		if m := r.wait(want.message); m["level"] != want.level || m["authority"] != "CN=ca" {
			t.Errorf("%s: got %v, want it at level %s", file, m, want.level)
		}
		r.stop()
	}
}

// A certificate that another one hides is easily taken for the one that is served.
func TestShadowedCertificateIsNoted(t *testing.T) {
	f := furnished(t)
	f.pair("again", nil, year, "*.apps.example.com")
	stdout, stderr, status := invoke(nil, append([]string{"check", "127.0.0.1:8000"},
		f.args("--tls-cert $D/both.pem --tls-cert $D/again.pem --tls-key $D/again.key")...)...)
	want := "\ncertificate " + f.path("again.pem") + " with key " + f.path("again.key") + " is never served"
	if strings.Count(stdout, " is never served") != 1 || !strings.Contains(stdout, want) || strings.Count(stdout, "and all others") != 1 || status != exitDone {
		t.Errorf("got status %d, %s and\n%swant it to have %q", status, stderr, stdout, want)
	}
}

// Keys go to the certificates that need one, in their order.
func TestKeysArePaired(t *testing.T) {
	f := furnished(t)
	c := read(nil, f.args("--tls-cert $D/both.pem --tls-cert $D/site.pem --tls-cert $D/soon.pem --tls-key $D/site.key --tls-key $D/soon.key 127.0.0.1:1")...)
	got := c.pairs()
	want := []certs.Pair{
		{Certificate: f.path("both.pem")},
		{Certificate: f.path("site.pem"), Key: f.path("site.key")},
		{Certificate: f.path("soon.pem"), Key: f.path("soon.key")},
	}
	if c.faults.err() != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, c.faults.err(), want)
	}
}

func TestECHKeyIsWritten(t *testing.T) {
	f := newFolder(t)
	stdout, stderr, status := invoke(nil, "ech-key", "www.example.com", f.path("ech.pem"))
	if status != exitDone || stderr != "" || !strings.HasPrefix(stdout, "ech=") || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("got status %d, %q and %q", status, stderr, stdout)
	}
	info, err := os.Stat(f.path("ech.pem"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("got %v, %v; want a file for its owner alone", info.Mode(), err)
	}
	ech, err := profile.LoadECH(f.path("ech.pem"), func(string) error { return nil })
	if err != nil || !slices.Equal(ech.PublicNames(), []string{"www.example.com"}) {
		t.Errorf("got %v, %v; want a key for www.example.com", ech, err)
	}
	_, stderr, status = invoke(nil, "ech-key", "www.example.com", f.path("ech.pem"))
	if !strings.Contains(stderr, "is there already") || status != exitUsage {
		t.Errorf("again: got status %d and %q", status, stderr)
	}
}
