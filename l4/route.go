package l4

import (
	"crypto/tls"

	"forebay/pool"
	"forebay/tls/sni"
)

// A Route is where sessions go, and how.
type Route struct {
	Name string     // as the operator wrote it, for the log; "" for the only route
	Pool *pool.Pool // nil: sessions are refused

	// TLS, if not nil, ends the client's TLS here. Otherwise its bytes are passed on as they are.
	TLS *tls.Config
	// BackendTLS, if not nil, returns how TLS is spoken to a backend. protocol is what ALPN agreed on with the client
	// (RFC 7301), "" for none. It is called on an event loop for each try: a Config is made once for each backend and
	// protocol, and kept.
	BackendTLS func(b *pool.Backend, protocol string) *tls.Config
}

// Routes finds the Route of a session by the client's ClientHello. A protocol that the client offers counts before the
// name it asks for. So a protocol with a purpose of its own (acme-tls/1, RFC 8737) reaches the server that speaks it.
type Routes struct {
	Protocols map[string]*Route // by ALPN
	Names     sni.Names[*Route]
}

// find returns the Route for h, nil where there is none.
func (r *Routes) find(h *sni.Hello) *Route {
	for _, p := range h.Protocols {
		if route := r.Protocols[p]; route != nil {
			return route
		}
	}
	route, _ := r.Names.Lookup(h.ServerName)
	return route
}
