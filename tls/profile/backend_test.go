package profile

import (
	"crypto/tls"
	"strings"
	"testing"
)

func TestBackendIsVerified(t *testing.T) {
	h := newHouse(t)
	roots := trusting(h.authority)
	for _, c := range []struct {
		name    string
		backend Backend
		to      string
		want    string // what is said; "": all is well
	}{
		{"name", Backend{Roots: roots}, "a.example", ""},
		{"address", Backend{Roots: roots}, "127.0.0.1", ""},
		{"link-local address", Backend{Roots: roots}, "fe80::1%eth0", ""},
		{"other link-local address", Backend{Roots: roots}, "fe80::2%eth0", "not fe80::2"},
		{"other name", Backend{Roots: roots}, "b.example", "not b.example"},
		{"other address", Backend{Roots: roots}, "127.0.0.2", "not 127.0.0.2"},
		{"name given", Backend{Roots: roots, ServerName: "public.example"}, "10.0.0.1", ""},
		{"system's roots", Backend{}, "a.example", "unknown authority"},
		{"unverified", Backend{Unverified: true}, "", ""},
		{"ALPN", Backend{Roots: roots, Protocols: []Protocol{"h2"}}, "a.example", ""},
	} {
		config, err := c.backend.Config(c.to)
		must(t, config, err)
		server := h.config(t, Server{Protocols: c.backend.Protocols})
		state, _, err := shake(t, server, config)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if c.backend.Protocols != nil && state.NegotiatedProtocol != "h2" {
			t.Errorf("%s: got protocol %q", c.name, state.NegotiatedProtocol)
		}
	}
}

func TestBackendWantsAName(t *testing.T) {
	var b Backend
	if _, err := b.Config(""); err == nil || !strings.Contains(err.Error(), "no name to verify") {
		t.Errorf("got %v", err)
	}
}

func TestBackendIsShownACertificateAndResumed(t *testing.T) {
	h := newHouse(t)
	web := h.authority.client(t, "web").certificate()
	b := Backend{
		Roots:       trusting(h.authority),
		Certificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &web, nil },
	}
	config, err := b.Config("a.example")
	must(t, config, err)
	server := h.config(t, Server{Clients: &Clients{Authorities: trusting(h.authority)}})
	for i := range 2 {
		if state, serverErr, err := shake(t, server, config); serverErr != nil || err != nil || state.DidResume != (i == 1) {
			t.Errorf("handshake %d: %v, %v, resumed %v", i, serverErr, err, state.DidResume)
		}
	}
}
