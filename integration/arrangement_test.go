package integration

import (
	"crypto/tls"
	"testing"

	"forebay/l4/l4test"
)

// An arrangement says with whom TLS is spoken.
type arrangement struct {
	name            string
	client, backend bool
}

// arrangements are all in which TLS is spoken at all.
var arrangements = []arrangement{
	{"TLS with the client", true, false},
	{"TLS with the backend", false, true},
	{"TLS with both", true, true},
}

// A tunnel is a forebay between a client and a backend.
type tunnel struct {
	*forebay
	backend *l4test.Backend
	secure  func(*l4test.Peer) *l4test.Peer // does the client's handshake, if there is to be one
}

func (t *tunnel) dial(tb testing.TB) *l4test.Peer {
	tb.Helper()
	return t.secure(l4test.Dial(tb, t.Addr()))
}

// build starts a backend that plays script, with a forebay before it.
func (w arrangement) build(t testing.TB, script func(*l4test.Peer), args ...string) *tunnel {
	t.Helper()
	a := l4test.NewAuthority(t)
	site := a.Issue("site", l4test.Leaf{Names: []string{"a.example", "127.0.0.1", l4test.There}})
	tun := &tunnel{}
	if w.backend {
		tun.backend = l4test.ServeTLS(t, site.Server(), script)
		args = append(args, "--backend-tls", "--backend-ca", a.File)
	} else {
		tun.backend = l4test.Serve(t, script)
	}
	if w.client {
		args = append(args, endTLS(site)...)
	}
	tun.forebay = start(t, append(args, tun.backend.Addr())...)
	tun.secure = func(p *l4test.Peer) *l4test.Peer {
		if w.client {
			p.Secure(tls.Client, a.Client("a.example"))
		}
		return p
	}
	return tun
}

// inEach runs a test in each arrangement for which fits holds.
func inEach(t *testing.T, fits func(arrangement) bool, test func(*testing.T, arrangement)) {
	for _, w := range arrangements {
		if fits(w) {
			t.Run(w.name, func(t *testing.T) {
				t.Parallel()
				test(t, w)
			})
		}
	}
}

func always(arrangement) bool        { return true }
func withClient(w arrangement) bool  { return w.client }
func withBackend(w arrangement) bool { return w.backend }
