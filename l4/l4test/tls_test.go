package l4test

import (
	"crypto/tls"
	"strings"
	"testing"
)

func TestTLSEndsWithCloseNotifyAndFIN(t *testing.T) {
	a := NewAuthority(t)
	site := a.Issue("site", Leaf{Names: []string{"a.example"}}).Server()
	echo := ServeTLS(t, site, EchoScript)
	for version := tls.VersionTLS12; version <= tls.VersionTLS13; version++ {
		client := a.Client("a.example")
		client.MaxVersion = uint16(version)
		p := DialTLS(t, echo.Addr(), client).Send("x").Expect("x").CloseWrite().ExpectEOF()
		if got := p.TLS().Version; got != uint16(version) {
			t.Errorf("got version %#x, want %#x", got, version)
		}
	}
	echo.AwaitDone(2)
}

func TestKindsOfKeys(t *testing.T) {
	a := NewAuthority(t)
	for kind, want := range map[KeyKind]tls.SignatureScheme{ECDSA: tls.ECDSAWithP256AndSHA256, RSA: tls.PSSWithSHA256, Ed25519: tls.Ed25519} {
		site := a.Issue("site", Leaf{Names: []string{"a.example"}, Key: kind})
		client := a.Client("a.example")
		DialTLS(t, ServeTLS(t, site.Server(), EchoScript).Addr(), client).Send("x").Expect("x").Close()
		if _, err := tls.LoadX509KeyPair(site.CertFile, site.KeyFile); err != nil {
			t.Errorf("%v: %v", want, err)
		}
	}
}

func TestTLSStepsFail(t *testing.T) {
	a := NewAuthority(t)
	site := a.Issue("site", Leaf{Names: []string{"a.example"}}).Server()
	for _, c := range []struct {
		name   string
		script func(*Peer)
		step   func(*Peer)
		want   string
	}{
		{"FIN without close_notify", func(p *Peer) { p.Truncate() }, func(p *Peer) { p.ExpectEOF() }, "unexpected EOF"},
		{"close_notify for a FIN alone", func(p *Peer) { p.CloseWrite() }, func(p *Peer) { p.ExpectTruncation() }, "without close_notify"},
		{"close_notify and no FIN", func(p *Peer) { p.conn.(*secured).Conn.CloseWrite(); p.AwaitAcked().Reset() }, func(p *Peer) { p.ExpectEOF() }, "after close_notify"},
		{"reset for close_notify", (*Peer).Reset, func(p *Peer) { p.ExpectEOF() }, "reset"},
		{"close_notify for reset", func(*Peer) {}, (*Peer).ExpectReset, "want a reset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := ServeTLS(t, site, c.script)
			got := failure(t, b.Addr(), func(p *Peer) { c.step(p.Secure(tls.Client, a.Client("a.example"))) })
			if !strings.Contains(got, c.want) {
				t.Errorf("got failure %q, want one with %q", got, c.want)
			}
		})
	}
}
