package integration

import (
	"strings"
	"testing"

	"forebay/l4/l4test"
)

// Of several kinds of certificate for one name a client gets one that it can verify.
func TestCertificateOfTheRightKind(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	names := []string{"a.example"}
	f := start(t, append(endTLS(
		a.Issue("ecdsa", l4test.Leaf{Names: names, Key: l4test.ECDSA}),
		a.Issue("rsa", l4test.Leaf{Names: names, Key: l4test.RSA}),
		a.Issue("ed25519", l4test.Leaf{Names: names, Key: l4test.Ed25519}),
	), answering(t).Addr())...)
	for _, c := range []struct{ args, tells string }{
		{"-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", "Signature type: RSA"},
		{"-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", "Signature type: ECDSA"},
		{"-tls1_3 -sigalgs rsa_pss_rsae_sha256", "Signature type: RSA-PSS"},
		{"-tls1_3 -sigalgs ed25519", "Signature type: ed25519"},
		{"-tls1_3", "Signature type: ECDSA"},
	} {
		wantAnswer(t, f.Addr(), asks(a, "a.example", strings.Fields(c.args)...), c.tells)
	}
}

// The name that a client asks for decides, whatever its case; a wildcard stands for one label, an exact name wins over
// it, and the first certificate is for all others.
func TestCertificateByName(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	f := start(t, append(endTLS(
		a.Issue("first", l4test.Leaf{Names: []string{"first.example"}}),
		a.Issue("wild", l4test.Leaf{Names: []string{"*.wild.example"}}),
		a.Issue("exact", l4test.Leaf{Names: []string{"exact.wild.example", "other.example"}}),
	), l4test.Echo(t).Addr())...)
	for asked, want := range map[string]string{
		"first.example":      "first.example",
		"other.example":      "exact.wild.example",
		"OTHER.Example":      "exact.wild.example",
		"exact.wild.example": "exact.wild.example",
		"any.wild.example":   "*.wild.example",
		"a.any.wild.example": "first.example",
		"wild.example":       "first.example",
		"nobody.example":     "first.example",
		"":                   "first.example",
	} {
		client := a.Client(asked)
		client.InsecureSkipVerify = true // the name is compared below
		p := l4test.DialTLS(t, f.Addr(), client).Send("x").Expect("x")
		if got := p.TLS().PeerCertificates[0].DNSNames[0]; got != want {
			t.Errorf("%q: got the certificate of %s, want %s", asked, got, want)
		}
		p.CloseWrite().ExpectEOF()
	}
}

// With --tls-strict-sni a name without a certificate, and no name, is answered with the alert that says so (RFC 6066,
// section 3).
func TestStrictSNIRefusesStrangers(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	b := answering(t)
	f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example", "*.b.example"}})), "--tls-strict-sni", b.Addr())...)
	wantAlert(t, f.Addr(), []string{"-servername", "nobody.example"}, unrecognizedName)
	wantAlert(t, f.Addr(), []string{"-servername", "one.two.b.example"}, unrecognizedName)
	wantAlert(t, f.Addr(), []string{"-noservername"}, unrecognizedName)
	if n := b.Accepted(); n > 0 {
		t.Errorf("the backend saw %d connections", n)
	}
	for i, e := range f.Sessions(3) {
		wantCause(t, e, "handshake-failed")
		if want := []string{"nobody.example", "one.two.b.example", ""}[i]; e.ServerName != want {
			t.Errorf("the log tells of name %q, want %q", e.ServerName, want)
		}
		if !strings.Contains(e.ClientTLS.Fault, "--tls-strict-sni") {
			t.Errorf("the log does not say why: %+v", e.ClientTLS)
		}
	}
	wantAnswer(t, f.Addr(), asks(a, "x.b.example"))
}
