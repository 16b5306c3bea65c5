package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
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
		if c, err := newSource(p).load(now); (c == nil) != (err != nil) {
			t.Errorf("got %v, %v", c, err)
		}
	})
}

// TestChainsLoseNoCertificate writes a chain as careless tools do. crypto/tls serves what it finds, and a client that
// lacks one in between refuses it.
func TestChainsLoseNoCertificate(t *testing.T) {
	f := newFolder(t)
	certificate, key := spec{}.encode(t)
	between, _ := spec{}.encode(t)
	last := func(text []byte) []byte { return bytes.TrimRight(text, "\n") }
	other := bytes.ReplaceAll(between, []byte("CERTIFICATE"), []byte("X509 CERTIFICATE"))
	for name, text := range map[string][][]byte{
		"no line end between":       {last(certificate), between},
		"text between":              {last(certificate), []byte("issuer=CN = x"), between},
		"the key before, no ends":   {last(key), last(certificate), last(between)},
		"a byte order mark":         {[]byte("\ufeff"), certificate, []byte("\ufeff"), between},
		"the name that OpenSSL had": {certificate, other},
	} {
		s := f.load(Options{}, Pair{Certificate: f.write("chain.pem", text...), Key: f.write("key.pem", key)})
		if got := s.Snapshot()[0].Chain; got != 2 {
			t.Errorf("%s: %d certificates are served, want 2", name, got)
		}
	}
	second := fmt.Sprint("line ", bytes.Count(certificate, []byte("\n"))+1, ": ")
	_, err := Load([]Pair{{f.write("chain.pem", certificate, bytes.Replace(between, []byte("-----"), []byte("----"), 1)), f.write("key.pem", key)}}, Options{}, now)
	if err == nil || !strings.Contains(err.Error(), "chain.pem: "+second+"BEGIN CERTIFICATE has not five hyphens on each side") {
		t.Errorf("a hyphen lost: got %v", err)
	}
	garbage := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}})
	_, err = Load([]Pair{{f.write("chain.pem", certificate, garbage), f.write("key.pem", key)}}, Options{}, now)
	if err == nil || !strings.Contains(err.Error(), "chain.pem: certificate 2, "+second) {
		t.Errorf("garbage behind it: got %v", err)
	}
	_, err = Load([]Pair{{f.write("chain.pem", between, certificate), f.write("key.pem", key)}}, Options{}, now)
	if err == nil || !strings.Contains(err.Error(), "is that of certificate 2 in") {
		t.Errorf("the wrong order: got %v", err)
	}
}

// TestTheKeyThatFitsIsTaken has several in one file, of which one fits.
func TestTheKeyThatFitsIsTaken(t *testing.T) {
	f := newFolder(t)
	certificate, key := spec{}.encode(t)
	_, other := spec{}.encode(t)
	f.load(Options{}, Pair{Certificate: f.write("all.pem", other, certificate, key)})
}

// TestLongKeysAboveAreTaken has a chain with an RSA key that crypto/tls as a client refuses, and other clients take.
func TestLongKeysAboveAreTaken(t *testing.T) {
	f := newFolder(t)
	certificate, key := spec{}.encode(t)
	issuer := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-day), NotAfter: now.Add(day)}
	long := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), longestRSA, 1), E: 65537}
	der, err := x509.CreateCertificate(rand.Reader, issuer, issuer, long, ecdsaKey(t))
	above := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: must(t, der, err)})
	f.load(Options{}, Pair{Certificate: f.write("chain.pem", certificate, above), Key: f.write("key.pem", key)})
}

// TestKeysThatNobodyCanUseAreRefused has keys that crypto/tls reads, and can't shake hands with.
func TestKeysThatNobodyCanUseAreRefused(t *testing.T) {
	f := newFolder(t)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, short, err)
	odd, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	must(t, odd, err)
	f.load(Options{}, f.pair("rsa1024", spec{key: short}))
	_, err = Load([]Pair{f.pair("p224", spec{key: odd})}, Options{}, now)
	if err == nil || !strings.Contains(err.Error(), "no client can use its key, which is ECDSA P-224: tls: ") {
		t.Errorf("P-224: got %v", err)
	}
	// One that is renewed so is not taken, and the old one stays.
	d := new(diary)
	s := f.load(Options{Report: d.add}, f.pair("a", spec{}))
	f.pair("a", spec{key: odd})
	s.Check(now)
	s.Check(now)
	d.expect(t, "renewed by a key that nobody can use", Broken)
}

// TestNegativeSerialNumbersAreNamed: crypto/x509 says of such a certificate only that it has one.
func TestNegativeSerialNumbersAreNamed(t *testing.T) {
	f := newFolder(t)
	certificate, key := spec{commonName: "old.example"}.encode(t)
	block, _ := pem.Decode(certificate)
	serial := bytes.Index(block.Bytes, []byte{0xa0, 3, 2, 1, 2, 2}) + 7 // behind the version and the number's tag and length
	block.Bytes[serial] |= 0x80
	_, err := Load([]Pair{{f.write("a.crt", pem.EncodeToMemory(block)), f.write("a.key", key)}}, Options{}, now)
	for _, want := range []string{"a.crt: certificate 1, line 1: \"CN=old.example\" has the negative serial number -", "issued anew"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestDoubtsSayWhatClientsMeet has pairs that are served, and that clients refuse.
func TestDoubtsSayWhatClientsMeet(t *testing.T) {
	f := newFolder(t)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, short, err)
	certificate, key := spec{names: []string{"a.example"}}.encode(t)
	gone, _ := spec{commonName: "gone", names: []string{"x"}, notBefore: now.Add(-9 * day), notAfter: now.Add(-day)}.encode(t)
	s := f.load(Options{},
		f.pair("good", spec{names: []string{"b.example"}}),
		f.pair("short", spec{names: []string{"c.example"}, key: short}),
		f.pair("nameless", spec{commonName: "d.example"}),
		Pair{f.write("chain.pem", certificate, gone), f.write("chain.key", key)})
	var got []string
	for _, d := range s.Doubts(now) {
		got = append(got, filepath.Base(d.Pair.Certificate)+": "+d.Why)
	}
	want := []string{
		"short.crt: its key has 1024 bits, and clients want 2048 of RSA",
		"nameless.crt: it has no name or address among its subject alternative names, and clients look nowhere else (RFC 9525)",
		"chain.pem: certificate 2 in its file expired on 2026-04-30 12:00 UTC",
		"chain.pem: certificate 2 in its file has not issued the one before it, and some clients want them in this order",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
