package integration

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"forebay/l4/l4test"
)

// swapped is a file of authorities, and what puts others into it.
func swapped(t *testing.T, first *l4test.Authority) (path string, to func(*l4test.Authority)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ca.pem")
	to = func(a *l4test.Authority) {
		t.Helper()
		text, err := os.ReadFile(a.File)
		if err == nil {
			err = os.WriteFile(path+".new", text, 0o644)
		}
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	to(first)
	return path, to
}

// Clients are verified by the authorities that the file names now, with a ticket or without.
func TestAuthoritiesOfClientsAreSwapped(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{nil, {"--tls-strict-sni"}} {
		a, old, fresh := l4test.NewAuthority(t), l4test.NewAuthority(t), l4test.NewAuthority(t)
		site := a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})
		file, swap := swapped(t, old)
		f := start(t, append(append(endTLS(site), "--tls-client-ca", file, l4test.Echo(t).Addr()), flags...)...)
		client := func(by *l4test.Authority) *tls.Config {
			c := a.Client("a.example")
			shown := by.Issue("client", l4test.Leaf{CommonName: "client"}).Certificate
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
			c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			return c
		}
		before, after := client(old), client(fresh)
		for range 2 {
			exchangeTLS(t, f, before)
		}
		wantNoEntry(t, f, after)
		swap(fresh)
		f.Stderr.AwaitMatch(t, "a file has changed and is in use")
		wantNoEntry(t, f, before)
		for range 2 {
			exchangeTLS(t, f, after)
		}
	}
}

// Backends are verified by the authorities that the file names now, and so are they by checks.
func TestAuthoritiesOfBackendsAreSwapped(t *testing.T) {
	t.Parallel()
	old, fresh := l4test.NewAuthority(t), l4test.NewAuthority(t)
	file, swap := swapped(t, old)
	b := l4test.ServeTLS(t, fresh.Issue("b", l4test.Leaf{Names: []string{"127.0.0.1"}}).Server(), l4test.EchoScript)
	f := start(t, "--check", "tls", "--check-interval", "100ms", "--backend-tls", "--backend-ca", file, b.Addr())
	f.Allow("is down")
	f.Allow("no backend is up")
	f.Stderr.AwaitMatch(t, "a backend is down.*unknown authority")
	swap(fresh)
	f.Stderr.AwaitMatch(t, "a backend is up")
	l4test.Dial(t, f.Addr()).Send("hello").Expect("hello").CloseWrite().ExpectEOF()
}
