package profile

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
)

func newECH(t testing.TB) (*ECHKey, []byte) {
	t.Helper()
	k, err := NewECHKey("public.example")
	must(t, k, err)
	text, err := k.PEM()
	return k, must(t, text, err)
}

// anyName is fit for a key.
func anyName(string) error { return nil }

// echClient hides the name a.example behind public.example.
func (h *house) echClient(configs []byte) *tls.Config {
	c := h.client(nil)
	c.EncryptedClientHelloConfigList = configs
	return c
}

func TestECHIsAccepted(t *testing.T) {
	h, dir := newHouse(t), t.TempDir()
	first, firstText := newECH(t)
	second, secondText := newECH(t)
	path := write(t, dir, "ech.pem", append(bytes.Clone(firstText), secondText...))
	ech, err := LoadECH(path, anyName)
	server := h.config(t, Server{ECH: must(t, ech, err)})
	var asked string
	server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) { asked = hello.ServerName; return nil, nil }
	for i, k := range []*ECHKey{first, second} {
		state, serverErr, err := shake(t, server, h.echClient(k.ConfigList()))
		if serverErr != nil || err != nil || !state.ECHAccepted || asked != "a.example" {
			t.Errorf("key %d: accepted %v, name %q, %v, %v", i, state.ECHAccepted, asked, serverErr, err)
		}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := h.client(nil)
		client.MaxVersion = version
		if _, serverErr, err := shake(t, server, client); serverErr != nil || err != nil {
			t.Errorf("without ECH, %s: %v, %v", tls.VersionName(version), serverErr, err)
		}
	}
	unknown, text := newECH(t)
	_, _, err = shake(t, server, h.echClient(unknown.ConfigList()))
	var rejected *tls.ECHRejectionError
	if !errors.As(err, &rejected) || !bytes.Equal(rejected.RetryConfigList, first.ConfigList()) {
		t.Errorf("unknown key: got %v, want to be told of the first key", err)
	}
	write(t, dir, "ech.pem", text)
	if e, ok := ech.Check(); !ok || e.Err != nil {
		t.Fatalf("new file: %v, %v", e, ok)
	}
	if state, _, err := shake(t, server, h.echClient(unknown.ConfigList())); err != nil || !state.ECHAccepted {
		t.Errorf("the new key: accepted %v, %v", state.ECHAccepted, err)
	}
}

func TestECHKeyForDNS(t *testing.T) {
	k, _ := newECH(t)
	b, ok := strings.CutPrefix(k.DNS(), "ech=")
	list, err := base64.StdEncoding.DecodeString(b)
	if !ok || err != nil || !bytes.Equal(list, k.ConfigList()) {
		t.Errorf("got %s", k.DNS())
	}
	for _, name := range []string{"", "a..b", "192.0.2.1", "-a.example", "a_b.example", "a.example.", "bücher.example", strings.Repeat("a.", 127) + "bc", "a.0x1"} {
		if _, err := NewECHKey(name); err == nil {
			t.Errorf("%q is taken for a public name", name)
		}
	}
}

func TestECHPublicNames(t *testing.T) {
	_, text := newECH(t)
	_, again := newECH(t)
	other, err := NewECHKey("www.example.com")
	last, err := must(t, other, err).PEM()
	path := write(t, t.TempDir(), "ech.pem", slices.Concat(text, again, must(t, last, err)))
	ech, err := LoadECH(path, anyName)
	if got, want := must(t, ech, err).PublicNames(), []string{"public.example", "www.example.com"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestECHOfUnfitNamesIsKeptOut: at the start and later alike, until it is fit.
func TestECHOfUnfitNamesIsKeptOut(t *testing.T) {
	dir := t.TempDir()
	_, text := newECH(t)
	path := write(t, dir, "ech.pem", text)
	unfit := ""
	fit := func(name string) error {
		if name == unfit {
			return errors.New(name + " is unfit")
		}
		return nil
	}
	ech, err := LoadECH(path, fit)
	must(t, ech, err)
	unfit = "www.example.com"
	other, err := NewECHKey(unfit)
	more, err := must(t, other, err).PEM()
	write(t, dir, "ech.pem", append(bytes.Clone(text), must(t, more, err)...))
	ech.Check()
	if e, ok := ech.Check(); !ok || e.Err == nil || !strings.Contains(e.Err.Error(), path+": www.example.com is unfit") {
		t.Errorf("told of %v, %v", e, ok)
	}
	if got := ech.PublicNames(); !slices.Equal(got, []string{"public.example"}) {
		t.Errorf("got %v, want the old key alone", got)
	}
	if _, err := LoadECH(path, fit); err == nil {
		t.Error("taken at the start")
	}
	unfit = ""
	if e, ok := ech.Check(); !ok || e.Err != nil || len(ech.PublicNames()) != 2 {
		t.Errorf("now that it is fit: told of %v, %v", e, ok)
	}
}

func TestECHRefuses(t *testing.T) {
	k, good := newECH(t)
	_, other := newECH(t)
	split := bytes.Index(good, []byte("-----BEGIN ECH"))
	otherSplit := bytes.Index(other, []byte("-----BEGIN ECH"))
	key, list := good[:split], k.ConfigList()
	changed := func(at int, b byte) []byte {
		c := bytes.Clone(list)
		c[at] = b
		return append(bytes.Clone(key), encode("ECHCONFIG", c)...)
	}
	half := slices.Delete(bytes.Clone(list), 51, 53) // of a suite
	half[1], half[5], half[44] = half[1]-2, half[5]-2, half[44]-2
	longer := append(bytes.Clone(list), 0)
	longer[1], longer[5] = longer[1]+1, longer[5]+1
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"bytes behind it":      {append(bytes.Clone(key), encode("ECHCONFIG", longer)...), "does not fit"},
		"half a suite":         {append(bytes.Clone(key), encode("ECHCONFIG", half)...), "does not fit"},
		"empty":                {nil, "is missing in it"},
		"key alone":            {key, "is missing in it"},
		"configuration alone":  {good[split:], "in the wrong place"},
		"wrong order":          {append(bytes.Clone(good[split:]), key...), "in the wrong place"},
		"another's key":        {append(bytes.Clone(other[:otherSplit]), good[split:]...), "is not that of"},
		"certificate":          {encode("CERTIFICATE", []byte{1}), "in the wrong place"},
		"length of the list":   {changed(1, 1), "its length is wrong"},
		"two configurations":   {changed(5, 1), "one configuration"},
		"version":              {changed(3, 0x0a), "version 0xfe0a"},
		"KEM":                  {changed(8, 0x10), "is not that of"},
		"unknown KEM":          {changed(8, 0x99), "ECHCONFIG"},
		"public key's length":  {changed(10, 0xff), "does not fit"},
		"no suites":            {changed(44, 7), "does not fit"},
		"public name's length": {changed(54, 99), "does not fit"},
		"garbage for a key":    {append(encode("PRIVATE KEY", []byte{1}), good[split:]...), "the private key"},
	} {
		_, err := LoadECH(write(t, t.TempDir(), "ech.pem", c.text), anyName)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// A tape is a connection whose other end has sent some bytes and gone.
type tape struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (t *tape) Read(b []byte) (int, error)  { return t.in.Read(b) }
func (t *tape) Write(b []byte) (int, error) { return t.out.Write(b) }

// FuzzECH: what is taken for a configuration, crypto/tls can read. It would fail every client that tries ECH otherwise.
func FuzzECH(f *testing.F) {
	k, _ := newECH(f)
	client := &tape{in: bytes.NewReader(nil)}
	tls.Client(client, &tls.Config{ServerName: "a.example", EncryptedClientHelloConfigList: k.ConfigList()}).Handshake()
	f.Add(k.ConfigList()[2:])
	f.Fuzz(func(t *testing.T, config []byte) {
		c, err := readECHConfig(config)
		if err != nil || c.kem != 0x20 {
			return
		}
		keys := []tls.EncryptedClientHelloKey{{Config: config, PrivateKey: k.private.Bytes()}}
		server := tls.Server(&tape{in: bytes.NewReader(client.out.Bytes())}, &tls.Config{EncryptedClientHelloKeys: keys})
		if err := server.Handshake(); err != nil && strings.Contains(err.Error(), "EncryptedClientHelloKey") {
			t.Errorf("%x: %v", config, err)
		}
	})
}
