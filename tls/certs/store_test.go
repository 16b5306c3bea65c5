package certs

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestCertificateIsChosenByName(t *testing.T) {
	f := newFolder(t)
	s := f.load(Options{},
		f.pair("default", spec{names: []string{"default.example"}}),
		f.pair("wild", spec{names: []string{"*.Example.com"}}),
		f.pair("exact", spec{names: []string{"db.example.com", "xn--bcher-kva.example"}}),
		f.pair("old", spec{commonName: "old.example"}),
	)
	for name, want := range map[string]string{
		"db.example.com":        "db.example.com",
		"DB.EXAMPLE.com":        "db.example.com",
		"www.example.com":       "*.Example.com",
		"a.www.example.com":     "default.example",
		"example.com":           "default.example",
		"other.example":         "default.example",
		"":                      "default.example",
		"XN--bcher-kva.example": "db.example.com",
		"old.example":           "old.example",
	} {
		c := served(t, s, &tls.Config{ServerName: name})
		if got := append(c.DNSNames, c.Subject.CommonName)[0]; got != want {
			t.Errorf("%q: got the certificate for %s, want that for %s", name, got, want)
		}
	}
}

func TestHas(t *testing.T) {
	f := newFolder(t)
	s := f.load(Options{}, f.pair("wild", spec{names: []string{"*.example.com"}}), f.pair("exact", spec{names: []string{"db.example"}}))
	for name, want := range map[string]bool{"WWW.example.com": true, "db.example": true, "example.com": false, "a.db.example": false, "": false} {
		if got := s.Has(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}

// TestCertificateIsChosenByKind has three kinds for one name, the default one, which is asked for in three ways.
func TestCertificateIsChosenByKind(t *testing.T) {
	f := newFolder(t)
	names := []string{"a.example", "*.a.example"}
	s := f.load(Options{},
		f.pair("rsa", spec{names: names, key: rsaKey()}),
		f.pair("ecdsa", spec{names: names}),
		f.pair("ed25519", spec{names: names, key: ed25519Key(t)}),
	)
	rsaOnly := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	ecdsaOnly := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	for _, name := range []string{"a.example", "b.a.example", "unknown.example", ""} {
		for _, c := range []struct {
			client *tls.Config
			want   string
		}{
			{&tls.Config{}, "ECDSA P-256"},
			{&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: rsaOnly}, "RSA 2048"},
			{&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: ecdsaOnly}, "ECDSA P-256"},
			{&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: ecdsaOnly, CurvePreferences: []tls.CurveID{tls.X25519}}, "Ed25519"},
		} {
			c.client.ServerName = name
			if got := kindOf(served(t, s, c.client)); got != c.want {
				t.Errorf("%q: got %s, want %s", name, got, c.want)
			}
		}
	}
}

// TestExactNameOfWrongKindFallsBackToWildcard: a client that can't use the certificate for the name may use the
// wildcard's.
func TestExactNameOfWrongKindFallsBackToWildcard(t *testing.T) {
	f := newFolder(t)
	s := f.load(Options{}, f.pair("exact", spec{names: []string{"db.example"}}), f.pair("wild", spec{names: []string{"*.example"}, key: rsaKey()}))
	client := &tls.Config{ServerName: "db.example", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
	if got := kindOf(served(t, s, client)); got != "RSA 2048" {
		t.Errorf("got %s, want RSA 2048", got)
	}
}

func TestStrictRefusesUnknownNames(t *testing.T) {
	f := newFolder(t)
	var refused []string
	tell := func(hello *tls.ClientHelloInfo) { refused = append(refused, hello.ServerName) }
	s := f.load(Options{Strict: true, Refused: tell}, f.pair("a", spec{names: []string{"a.example", "*.a.example"}}))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, known := range map[string]bool{"a.example": true, "B.A.example": true, "b.example": false, "": false} {
			refused = nil
			_, err := shake(t, s, &tls.Config{ServerName: name, MinVersion: version, MaxVersion: version})
			if told := slices.Equal(refused, []string{name}); told == known || known && len(refused) > 0 {
				t.Errorf("%s, %q: told that %q is refused, known: %v", tls.VersionName(version), name, refused, known)
			}
			if got := unrecognized(err); got == known || known && err != nil {
				t.Errorf("%s, %q: got %v, known: %v", tls.VersionName(version), name, err, known)
			}
		}
	}
	if c, err := s.Certificate(&tls.ClientHelloInfo{ServerName: "b.example"}); c != nil || err != nil {
		t.Errorf("got %v, %v, want neither: what crypto/tls needs to send the alert", c, err)
	}
	if s.Snapshot()[0].Default {
		t.Error("a strict store has a default certificate")
	}
}

// unrecognized reports whether the other end has sent the alert unrecognized_name.
func unrecognized(err error) bool {
	var alert *net.OpError
	return errors.As(err, &alert) && alert.Op == "remote error" && strings.Contains(alert.Err.Error(), "unrecognized name")
}

// A renamer is a session cache in which all servers have one name.
type renamer struct{ tls.ClientSessionCache }

func (r renamer) Get(string) (*tls.ClientSessionState, bool) { return r.ClientSessionCache.Get("") }
func (r renamer) Put(_ string, session *tls.ClientSessionState) {
	r.ClientSessionCache.Put("", session)
}

// TestStrictRefusesUnknownNamesOnResumption: a ticket got for one name does not open another.
func TestStrictRefusesUnknownNamesOnResumption(t *testing.T) {
	f := newFolder(t)
	s := f.load(Options{Strict: true}, f.pair("a", spec{names: []string{"a.example"}}))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server := &tls.Config{Time: func() time.Time { return now }, MaxVersion: version}
		s.Configure(server)
		client := &tls.Config{ServerName: "a.example", ClientSessionCache: renamer{tls.NewLRUClientSessionCache(1)}, Time: func() time.Time { return now }}
		for i, resumed := range []bool{false, true} {
			state, err := shakeWith(t, server, client)
			if err != nil || state.DidResume != resumed {
				t.Fatalf("%s, handshake %d: resumed %v, %v, want %v", tls.VersionName(version), i, state.DidResume, err, resumed)
			}
		}
		client.ServerName = "b.example"
		if _, err := shakeWith(t, server, client); !unrecognized(err) {
			t.Errorf("%s: a ticket for a.example with the name b.example: got %v, want unrecognized name", tls.VersionName(version), err)
		}
	}
}

func TestClientCertificate(t *testing.T) {
	f := newFolder(t)
	s := f.load(Options{}, f.pair("rsa", spec{commonName: "rsa", key: rsaKey()}), f.pair("ecdsa", spec{commonName: "ecdsa"}))
	for want, schemes := range map[string][]tls.SignatureScheme{
		"rsa":   {tls.PSSWithSHA256, tls.ECDSAWithP256AndSHA256},
		"ecdsa": {tls.ECDSAWithP256AndSHA256},
		"":      {tls.Ed25519},
	} {
		got, err := s.ClientCertificate(&tls.CertificateRequestInfo{Version: tls.VersionTLS13, SignatureSchemes: schemes})
		if err != nil || got == nil {
			t.Fatalf("got %v, %v, want a certificate, if an empty one", got, err)
		}
		if name := ""; want != name && got.Leaf.Subject.CommonName != want || want == "" && len(got.Certificate) > 0 {
			t.Errorf("%v: got %v, want that of %q", schemes, got.Leaf, want)
		}
	}
}

func TestSnapshot(t *testing.T) {
	f := newFolder(t)
	names := []string{"b.example", "A.example"}
	first, second, other := f.pair("1", spec{names: names, commonName: "x", key: rsaKey()}), f.pair("2", spec{names: names}), f.pair("3", spec{})
	list := f.load(Options{}, first, second, other).Snapshot()
	got := list[0]
	if got.Pair != first || !slices.Equal(got.Names, []string{"a.example", "b.example"}) || got.Kind != "RSA 2048" || got.Issuer != "CN=x" ||
		got.Serial == "" || !got.NotBefore.Equal(now.Add(-day)) || !got.NotAfter.Equal(now.Add(90*day)) || !got.Loaded.Equal(now) || got.Fault != "" {
		t.Errorf("got %+v", got)
	}
	if !list[0].Default || !list[1].Default || list[2].Default {
		t.Errorf("defaults: got %v, %v, %v, want those for the names of the first pair", list[0].Default, list[1].Default, list[2].Default)
	}
}

// TestShadowedIsNeverServed has certificates that differ from those before them by a name or by the kind of key, or by
// neither.
func TestShadowedIsNeverServed(t *testing.T) {
	names := func(n ...string) spec { return spec{names: n} }
	rsa := func(n ...string) spec { return spec{names: n, key: rsaKey()} }
	for _, c := range []struct {
		name     string
		specs    []spec
		shadowed []int
	}{
		{"same name", []spec{names("a.example"), names("A.example")}, []int{1}},
		{"same name, not the default's", []spec{names("x.example"), names("a.example"), names("a.example")}, []int{2}},
		{"same wildcard", []spec{names("*.a.example"), names("*.a.example")}, []int{1}},
		{"some of the names", []spec{names("a.example", "b.example"), names("b.example")}, []int{1}},
		{"one name more", []spec{names("a.example"), names("a.example", "b.example")}, nil},
		{"each name by another one", []spec{names("a.example"), names("b.example"), names("a.example", "b.example")}, []int{2}},
		{"exact name behind a wildcard", []spec{names("*.example"), names("a.example")}, nil},
		{"other kind", []spec{rsa("a.example"), names("a.example")}, nil},
		{"RSA between", []spec{names("a.example"), rsa("a.example"), names("a.example"), rsa("a.example")}, []int{2, 3}},
		{"the default's other kind", []spec{rsa("a.example"), names("a.example", "b.example"), names("a.example")}, nil},
		{"no names", []spec{{}, {}}, nil},
	} {
		f := newFolder(t)
		var pairs []Pair
		for i, s := range c.specs {
			pairs = append(pairs, f.pair(strconv.Itoa(i), s))
		}
		s := f.load(Options{}, pairs...)
		seen := map[string]bool{}
		for _, name := range []string{"a.example", "b.example", "x.a.example", "x.example", "other", ""} {
			for _, client := range []*tls.Config{{}, {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}} {
				client.ServerName = name
				if state, err := shake(t, s, client); err == nil {
					seen[state.PeerCertificates[0].SerialNumber.Text(16)] = true
				}
			}
		}
		for i, got := range s.Snapshot() {
			want := slices.Contains(c.shadowed, i)
			if got.Shadowed != want || want && (seen[got.Serial] || got.Default) || !want && !seen[got.Serial] && len(got.Names) > 0 {
				t.Errorf("%s: certificate %d: shadowed %v, default %v, served %v; want it shadowed: %v", c.name, i, got.Shadowed, got.Default, seen[got.Serial], want)
			}
		}
	}
}

func BenchmarkCertificate(b *testing.B) {
	f := newFolder(b)
	s := f.load(Options{}, f.pair("rsa", spec{names: []string{"*.example"}, key: rsaKey()}), f.pair("ecdsa", spec{names: []string{"*.example"}}))
	hello := &tls.ClientHelloInfo{
		ServerName:        "a.example",
		SupportedVersions: []uint16{tls.VersionTLS13},
		SignatureSchemes:  []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Certificate(hello)
	}
}
