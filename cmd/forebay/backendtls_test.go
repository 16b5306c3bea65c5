package main

import (
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"forebay/pool"
	"forebay/tls/profile"
)

func TestHostOfBackend(t *testing.T) {
	for name, want := range map[string]string{
		"db.example:5432":            "db.example",
		"db.example:5432(10.0.0.7)":  "db.example",
		"db.example:5432(fe80::1%a)": "db.example",
		"10.0.0.7:80":                "10.0.0.7",
		"[2001:db8::1]:80":           "2001:db8::1",
		"unix:/run/a.sock":           "",
		"unix:@db.example:5432":      "",
	} {
		if got := hostOf(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// A backend has one Config for each protocol, since the sessions to be resumed hang on it.
func TestBackendConfigsAreKept(t *testing.T) {
	p, err := pool.New(pool.Options{}, []pool.Config{{Name: "a.example:1(10.0.0.1)", Addrs: []pool.Address{pool.UNIXAddress("a")}}})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := p.Pick(&pool.Request{})
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Done(pool.Served)
	b := lease.Backend()
	made := &backendTLS{made: map[offer]*tls.Config{}}
	plain, h2 := made.config(b, ""), made.config(b, "h2")
	if plain == h2 || plain.ServerName != "a.example" || len(plain.NextProtos) != 0 || !slices.Equal(h2.NextProtos, []string{"h2"}) {
		t.Errorf("got %q %q and %q %q", plain.ServerName, plain.NextProtos, h2.ServerName, h2.NextProtos)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if made.config(b, "") != plain || made.config(b, "h2") != h2 {
				t.Error("got another Config the next time")
			}
		})
	}
	all.Wait()
	if n := testing.AllocsPerRun(100, func() { made.config(b, "h2") }); n != 0 {
		t.Errorf("got %v allocations for one that is there, want none", n)
	}
	fixed := &backendTLS{made: map[offer]*tls.Config{}, profile: profile.Backend{Protocols: []profile.Protocol{"postgresql"}}}
	if c := fixed.config(b, "h2"); c != fixed.config(b, "") || !slices.Equal(c.NextProtos, []string{"postgresql"}) {
		t.Errorf("got %q, want what is always offered", c.NextProtos)
	}
}

func TestSpeaksTLSToBackends(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.authority("other")
	f.pair("own", ca, year, "proxy.example")
	backend := f.pair("backend", ca, year, "127.0.0.1").serves()
	backend.ClientCAs, backend.ClientAuth = ca.trusts("").RootCAs, tls.RequireAndVerifyClientCert
	at := greeter(t, "welcome", backend)
	const show = " --backend-cert $D/own.pem --backend-key $D/own.key"
	for _, test := range []struct{ args, want, cause string }{
		{"--backend-ca $D/ca.pem" + show, "welcome", "-closed"},
		{"--backend-tls-insecure" + show, "welcome", "-closed"},
		{"--backend-ca $D/other.pem" + show, "", "connect-failed"},
		{"--backend-ca $D/ca.pem --backend-sni other.example" + show, "", "connect-failed"},
		{"--backend-ca $D/ca.pem", "", "backend-tls-fault"}, // with TLS 1.3 a client learns only later that its certificate is missed
	} {
		r := startBefore(t, at, f.args("-l 127.0.0.1:0 --backend-tls "+test.args)...)
		if got := greeted(t, r.address); got != test.want {
			t.Errorf("%s: got %q, want %q", test.args, got, test.want)
		}
		lines := r.stop()
		if len(lines) != 1 || !strings.HasSuffix(lines[0]["cause"].(string), test.cause) {
			t.Errorf("%s: got %v, want %s", test.args, lines, test.cause)
		}
	}
}

// greeted returns what a plain client is told.
func greeted(t testing.TB, address string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil { // the reset may come before the connection is known to be there
		return ""
	}
	defer conn.Close()
	conn.(*net.TCPConn).CloseWrite()
	got, _ := io.ReadAll(conn)
	return string(got)
}

func TestShownCertificateIsRenewed(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.pair("own", ca, year, "proxy.example")
	r := start(t, f.args("-l 127.0.0.1:0 --backend-tls --backend-ca $D/ca.pem --backend-cert $D/own.pem --backend-key $D/own.key")...)
	f.pair("own", ca, year, "proxy.example")
	r.wait("a certificate is renewed")
	r.stop()
}
