package integration

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"testing"

	"forebay/l4/l4test"
)

// A crossing is a forebay with a route for a name, one for a wildcard, one for a protocol, one that refuses and one for
// all the rest, each but the last to a backend that ends TLS itself, with a certificate that has the route's name.
type crossing struct {
	*forebay
	authority *l4test.Authority
}

func newCrossing(t *testing.T, args ...string) *crossing {
	t.Helper()
	a := l4test.NewAuthority(t)
	ends := func(name string, protocols ...string) string {
		config := a.Issue("site", l4test.Leaf{CommonName: name, Names: []string{name}}).Server()
		config.NextProtos = protocols
		return l4test.ServeTLS(t, config, l4test.EchoScript).Addr()
	}
	args = append(args,
		"--route", "exact.wild.example="+ends("exact.wild.example"),
		"--route", "*.wild.example="+ends("*.wild.example"),
		"--route", "alpn:special="+ends("special", "special"),
		"--route", "refused.example=refuse",
		"--route", "*="+ends("rest"))
	return &crossing{start(t, args...), a}
}

// ask returns the common name in the certificate that a client gets which offers a protocol, or none, and plays a byte.
func (c *crossing) ask(t *testing.T, as func(net.Conn, *tls.Config) *tls.Conn, name, protocol string) (got string) {
	t.Helper()
	client := c.authority.Client(name)
	client.InsecureSkipVerify = true                        // the names are compared
	for part := range slices.Chunk([]byte(protocol), 255) { // one has no room for more (RFC 7301, section 3.1)
		client.NextProtos = append(client.NextProtos, string(part))
	}
	p := l4test.Dial(t, c.Addr()).Secure(as, client).Send("x").Expect("x").CloseWrite().ExpectEOF()
	return p.TLS().PeerCertificates[0].Subject.CommonName
}

// The ClientHello decides where a connection goes: the protocol it offers, then the exact name, then a wildcard for one
// label, then the rest. However it is cut, all of it reaches the backend, which answers with its own certificate.
func TestRoutesByName(t *testing.T) {
	t.Parallel()
	c := newCrossing(t)
	for name, as := range map[string]func(net.Conn, *tls.Config) *tls.Conn{
		"whole":                  tls.Client,
		"single bytes":           cutting(0, 1),
		"many records":           cutting(7, 0),
		"records of single byte": cutting(1, 13),
	} {
		for _, ask := range []struct{ name, protocol, want string }{
			{"exact.wild.example", "", "exact.wild.example"},
			{"EXACT.wild.Example", "", "exact.wild.example"},
			{"any.wild.example", "", "*.wild.example"},
			{"any.wild.example", "special", "special"},
			{"any.wild.example", "usual", "*.wild.example"},
			{"", "special", "special"},
			{"one.any.wild.example", "", "rest"},
			{"nobody.example", "", "rest"},
			{"", "", "rest"},
		} {
			if got := c.ask(t, as, ask.name, ask.protocol); got != ask.want {
				t.Errorf("%s: %q with protocol %q reached %s, want %s", name, ask.name, ask.protocol, got, ask.want)
			}
		}
	}
	large := strings.Repeat("x", 50<<10)
	if got := c.ask(t, cutting(64, 1000), "exact.wild.example", large); got != "exact.wild.example" {
		t.Errorf("50 KiB in records of 64 bytes and segments of 1000 reached %s, want exact.wild.example", got)
	}
	const sessions = 4*9 + 1
	for _, e := range c.Sessions(sessions) {
		wantCause(t, e, "client-closed")
		if e.ToBackend != e.FromClient || e.ClientTLS != (spoken{}) {
			t.Errorf("session %d: %d bytes of %d passed on, and TLS ended: %+v", e.Session, e.ToBackend, e.FromClient, e.ClientTLS)
		}
	}
	wantNoEntry(t, c.forebay, c.authority.Client("refused.example"))
	e := c.Sessions(sessions + 1)[sessions]
	wantCause(t, e, "no-route")
	if e.ServerName != "refused.example" || e.Route != "refused.example" {
		t.Errorf("the log tells of name %q and route %q", e.ServerName, e.Route)
	}
}

// A cutter cuts the first record that is written, the ClientHello, into records and segments of so many bytes; 0 leaves
// it whole. The kernel may join segments, but not before the first one is on its way.
type cutter struct {
	net.Conn
	records, segments int
	done              bool
}

// cutting is tls.Client for a connection that is cut so.
func cutting(records, segments int) func(net.Conn, *tls.Config) *tls.Conn {
	return func(conn net.Conn, c *tls.Config) *tls.Conn {
		return tls.Client(&cutter{Conn: conn, records: records, segments: segments}, c)
	}
}

func (c *cutter) Write(b []byte) (int, error) {
	if c.done {
		return c.Conn.Write(b)
	}
	c.done = true
	wire := b
	if c.records > 0 {
		wire = nil
		for part := range slices.Chunk(b[5:], c.records) { // RFC 8446, section 5.1: type, version and length of a record
			wire = append(wire, b[:3]...)
			wire = append(binary.BigEndian.AppendUint16(wire, uint16(len(part))), part...)
		}
	}
	if c.segments == 0 {
		c.segments = len(wire)
	}
	for part := range slices.Chunk(wire, c.segments) {
		if _, err := c.Conn.Write(part); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// Who speaks no TLS goes with the rest, with every byte; who says nothing at all is waited for as long as
// --hello-timeout says; half a ClientHello does not reach anybody.
func TestRoutesOfOthers(t *testing.T) {
	t.Parallel()
	b := l4test.Echo(t)
	f := start(t, "--hello-timeout", "500ms", "--log-empty", "--route", "a.example="+l4test.Refused(t), "--route", "*="+b.Addr())
	l4test.Dial(t, f.Addr()).Send("GET / HTTP/1.1\r\n\r\n").Expect("GET / HTTP/1.1\r\n\r\n").CloseWrite().ExpectEOF()
	wantBytes(t, f.Session(), 18, 18)
	l4test.Dial(t, f.Addr()).ExpectReset()
	l4test.Dial(t, f.Addr()).Send("\x16\x03\x01\x02\x00\x01\x00").ExpectReset()
	for _, e := range f.Sessions(3)[1:] {
		wantCause(t, e, "hello-timeout")
		wantTotal(t, e, 0.5)
	}
	if n := b.Accepted(); n != 1 {
		t.Errorf("the backend saw %d connections, want 1", n)
	}
}

// One listener ends TLS for some names, passes that of others, and has a pool for each.
func TestRoutesThatTerminate(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	here := a.Issue("here", l4test.Leaf{CommonName: "here", Names: []string{"a.example", "b.example", "rest.example"}})
	there := a.Issue("there", l4test.Leaf{CommonName: "there", Names: []string{"there.example"}})
	f := start(t, append(endTLS(here),
		"--route", "a.example="+l4test.Banner(t, "a").Addr()+",terminate",
		"--route", "b.example="+l4test.Banner(t, "b").Addr()+",terminate",
		"--route", "there.example="+l4test.ServeTLS(t, there.Server(), func(p *l4test.Peer) { l4test.EchoScript(p.Send("t")) }).Addr(),
		l4test.Banner(t, "r").Addr())...)
	for _, c := range []struct{ name, ender, says string }{
		{"a.example", "here", "a"}, {"b.example", "here", "b"}, {"rest.example", "here", "r"}, {"there.example", "there", "t"},
	} {
		p := l4test.DialTLS(t, f.Addr(), a.Client(c.name)).Expect(c.says).Send("x").Expect("x").CloseWrite().ExpectEOF()
		if got := p.TLS().PeerCertificates[0].Subject.CommonName; got != c.ender {
			t.Errorf("the TLS of %s ended %s, want %s", c.name, got, c.ender)
		}
	}
}

// Encrypted Client Hello passes: what is seen, and routed by, is the outer name.
func TestEncryptedClientHelloPasses(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	key, list := newECHKey(t, "public.example")
	ends := start(t, append(endTLS(
		a.Issue("public", l4test.Leaf{Names: []string{"public.example"}}),
		a.Issue("secret", l4test.Leaf{Names: []string{"secret.example"}}),
	), "--tls-ech-keys", key, l4test.Echo(t).Addr())...)
	passes := start(t, "--route", "public.example="+ends.Addr(), "--route", "*=refuse")
	client := a.Client("secret.example")
	client.EncryptedClientHelloConfigList = list
	p := l4test.DialTLS(t, passes.Addr(), client).Send("x").Expect("x").CloseWrite().ExpectEOF()
	if !p.TLS().ECHAccepted {
		t.Error("the ClientHello was not accepted as encrypted")
	}
	if e := passes.Session(); e.ServerName != "public.example" {
		t.Errorf("who passes it on tells of name %q, want the outer one", e.ServerName)
	}
	if e := ends.Session(); !e.ClientTLS.ECH {
		t.Errorf("who ends it tells of no ECH: %+v", e.ClientTLS)
	}
}
