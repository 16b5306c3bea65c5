package certs

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadReadsEveryKindOfKey(t *testing.T) {
	f := newFolder(t)
	elliptic := ecdsaKey(t).(*ecdsa.PrivateKey)
	sec1, err := x509.MarshalECPrivateKey(elliptic)
	must(t, sec1, err)
	pkcs1 := x509.MarshalPKCS1PrivateKey(rsaKey().(*rsa.PrivateKey))
	for want, c := range map[string]struct {
		spec spec
		key  *pem.Block // nil: PKCS #8
	}{
		"ECDSA P-256": {spec{key: elliptic}, &pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}},
		"RSA 2048":    {spec{key: rsaKey()}, &pem.Block{Type: "RSA PRIVATE KEY", Bytes: pkcs1}},
		"Ed25519":     {spec{key: ed25519Key(t)}, nil},
	} {
		certificate, key := c.spec.encode(t)
		if c.key != nil {
			key = pem.EncodeToMemory(c.key)
		}
		parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{1}})
		for _, together := range []Pair{
			{Certificate: f.write("one.pem", certificate, key)},
			{Certificate: f.write("other.pem", parameters, key, certificate)},
			{Certificate: f.write("a.crt", certificate), Key: f.write("a.key", key)},
		} {
			if got := f.load(Options{}, together).Snapshot()[0].Kind; got != want {
				t.Errorf("%s: got a key of kind %s, want %s", together, got, want)
			}
		}
	}
}

// TestLoadTellsAllFaults gives one pair of each bad kind, between two good ones.
func TestLoadTellsAllFaults(t *testing.T) {
	f := newFolder(t)
	good, other := f.pair("good", spec{}), f.pair("other", spec{})
	certificate, _ := spec{}.encode(t)
	noKey := f.write("nokey.pem", certificate)
	text := f.write("text.pem", []byte("hello"))
	locked := f.write("locked.pem", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}))
	garbage := f.write("garbage.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}))
	absent := filepath.Join(f.path, "absent.pem")
	past, future := f.pair("past", spec{notBefore: now.Add(-9 * day), notAfter: now.Add(-day)}), f.pair("future", spec{notBefore: now.Add(day)})
	_, err := Load([]Pair{
		good,
		{good.Certificate, other.Key},
		past,
		future,
		{absent, good.Key},
		{noKey, ""},
		{text, good.Key},
		{good.Certificate, locked},
		{good.Certificate, garbage},
		{good.Certificate, f.path},
		other,
		other,
	}, Options{}, now)
	if err == nil {
		t.Fatal("no error")
	}
	faults := strings.Split(err.Error(), "\n")
	for i, want := range [][]string{
		{"the key in " + other.Key + " is not that of the certificate in " + good.Certificate},
		{past.Certificate, "expired on 2026-04-30 12:00 UTC"},
		{future.Certificate, "is valid from 2026-05-02 12:00 UTC on only"},
		{absent, "no such file"},
		{noKey, "no private key in it, only CERTIFICATE"},
		{text, "no certificate in it, nor anything else"},
		{locked, "is encrypted", "openssl pkey"},
		{garbage, "private key"},
		{f.path, "is a directory"},
		{other.Certificate, "is given twice"},
	} {
		for _, part := range want {
			if i >= len(faults) || !strings.Contains(faults[i], part) {
				t.Errorf("fault %d: want one with %q; all faults:\n%v", i+1, part, err)
			}
		}
	}
	if len(faults) != 10 {
		t.Errorf("got %d faults, want 10:\n%v", len(faults), err)
	}
}

func TestLoadWantsAPair(t *testing.T) {
	if _, err := Load(nil, Options{}, now); err == nil {
		t.Error("no pair at all is no fault")
	}
}

// FuzzPair: whatever is in a file, loading it ends in a pair or an error.
func FuzzPair(f *testing.F) {
	certificate, key := spec{}.encode(f)
	f.Add(append(certificate, key...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p := Pair{Certificate: newFolder(t).write("fuzz.pem", text)}
		if c, err := p.load(os.ReadFile, now); (c == nil) != (err != nil) {
			t.Errorf("got %v, %v", c, err)
		}
	})
}
