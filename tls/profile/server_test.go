package profile

import (
	"crypto/tls"
	"encoding"
	"slices"
	"strings"
	"testing"
)

func TestServerSpeaks(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		name   string
		server Server
		client func(*tls.Config)
		check  func(tls.ConnectionState) bool
	}{
		{"TLS 1.3, post-quantum, no ALPN", Server{}, func(c *tls.Config) { c.NextProtos = []string{"h2"} }, func(s tls.ConnectionState) bool {
			return s.Version == tls.VersionTLS13 && s.CurveID == tls.X25519MLKEM768 && s.NegotiatedProtocol == ""
		}},
		{"TLS 1.2", Server{}, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, func(s tls.ConnectionState) bool {
			return s.Version == tls.VersionTLS12 && slices.Contains(suites(), s.CipherSuite)
		}},
		{"ALPN in the server's order", Server{Protocols: []Protocol{"h2", "http/1.1"}}, func(c *tls.Config) { c.NextProtos = []string{"http/1.1", "h2"} },
			func(s tls.ConnectionState) bool { return s.NegotiatedProtocol == "h2" }},
	} {
		client := h.client(nil)
		c.client(client)
		if state, server, err := shake(t, h.config(t, c.server), client); server != nil || err != nil || !c.check(state) {
			t.Errorf("%s: got %+v, %v, %v", c.name, state, server, err)
		}
	}
}

func TestServerRefuses(t *testing.T) {
	h := newHouse(t)
	for name, c := range map[string]struct {
		server Server
		client func(*tls.Config)
		alert  string
	}{
		"TLS 1.1":         {Server{}, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }, "protocol version"},
		"TLS 1.2 for 1.3": {Server{MinVersion: TLS13}, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, "protocol version"},
		"CBC": {Server{}, func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		}, "handshake failure"},
		"other protocols": {Server{Protocols: []Protocol{"h2"}}, func(c *tls.Config) { c.NextProtos = []string{"x"} }, "no application protocol"},
	} {
		client := h.client(nil)
		c.client(client)
		if _, _, err := shake(t, h.config(t, c.server), client); err == nil || !strings.Contains(err.Error(), c.alert) {
			t.Errorf("%s: got %v, want %s", name, err, c.alert)
		}
	}
}

func TestServerTellsAllFaults(t *testing.T) {
	s := Server{Protocols: []Protocol{"h2", "h2"}, Clients: &Clients{}}
	_, err := s.Config()
	for _, want := range []string{`"h2" is given twice`, "no certificate authority"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestTextIsRead(t *testing.T) {
	pin := "sha256//" + strings.Repeat("A", 43) + "="
	for _, c := range []struct {
		into           encoding.TextUnmarshaler
		text, out, err string
	}{
		{new(Version), "1.2", "1.2", ""},
		{new(Version), "1.3", "1.3", ""},
		{new(Version), "1.1", "", "RFC 8996"},
		{new(Version), "TLS1.3", "", "1.2 or 1.3 is right"},
		{new(Protocol), "h2", "", ""},
		{new(Protocol), "http/2", "", "write h2"},
		{new(Protocol), "http", "", "write http/1.1"},
		{new(Protocol), "", "", "1 to 255"},
		{new(Protocol), strings.Repeat("x", 256), "", "1 to 255"},
		{new(Protocol), "h2,x", "", "without blanks and commas"},
		{new(Pin), pin, pin, ""},
		{new(Pin), strings.TrimPrefix(pin, "sha256//"), pin, ""},
		{new(Pin), strings.Repeat("00", 32), pin, ""},
		{new(Pin), strings.TrimSuffix(strings.Repeat("00:", 32), ":"), pin, ""},
		{new(Pin), "sha256//AAAA", "", "is no pin"},
		{new(Pin), "", "", "is no pin"},
	} {
		err := c.into.UnmarshalText([]byte(c.text))
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%T %q: got %v, want %q", c.into, c.text, err, c.err)
		}
		if m, ok := c.into.(encoding.TextMarshaler); ok && err == nil {
			if out, _ := m.MarshalText(); string(out) != c.out {
				t.Errorf("%T %q: written as %q, want %q", c.into, c.text, out, c.out)
			}
		}
	}
	if got := Version(0).String(); got != "1.2" {
		t.Errorf("the zero Version: got %s, want 1.2", got)
	}
}

// TestRegisteredProtocolsAreNoSlips: what is registered is neither refused nor there twice, and what is a slip is the
// slip of one of them.
func TestRegisteredProtocolsAreNoSlips(t *testing.T) {
	known := Registered()
	for i, name := range known {
		if err := new(Protocol).UnmarshalText([]byte(name)); err != nil || slices.Contains(known[:i], name) {
			t.Errorf("%s: %v, or twice", name, err)
		}
	}
	for slip, right := range slips {
		if !slices.Contains(known, right) || slices.Contains(known, slip) {
			t.Errorf("%s stands for %s", slip, right)
		}
	}
}
