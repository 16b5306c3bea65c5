package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"forebay/pool"
	"forebay/tls/profile"
	"forebay/tls/sni"
)

// A route says where clients of some names or protocols go. An operator writes it as
//
//	NAME[,NAME...]=BACKEND[,OPTION...][,BACKEND[,OPTION...]...][,terminate|,pass]
//	NAME[,NAME...]=refuse
//
// NAME is a name as in a ClientHello, a wildcard for one label more, alpn:PROTOCOL, or * for all the rest, which must
// be alone. An option belongs to the BACKEND before it. An option has no colon before an equals sign, and a BACKEND
// has.
type route struct {
	names     []sni.Pattern
	protocols []profile.Protocol
	backends  []pool.Spec // none: its clients are refused
	tls       tlsWord
}

// A tlsWord is a route's word for what happens to the client's TLS.
type tlsWord string

const (
	unsaid    tlsWord = ""          // the default route terminates where there is a certificate, others pass
	terminate tlsWord = "terminate" // the client's TLS ends here
	pass      tlsWord = "pass"      // its bytes go to the backend as they are
)

const (
	protocolPrefix = "alpn:"
	refusal        = "refuse"
)

func (r *route) UnmarshalText(text []byte) error {
	keys, to, ok := strings.Cut(string(text), "=")
	if !ok {
		return fmt.Errorf("%q does not say where to; write NAME=BACKEND, such as db.example.com=10.0.0.7:5432", text)
	}
	var read route
	for key := range strings.SplitSeq(keys, ",") {
		if err := read.readKey(key); err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
	}
	if read.isDefault() && len(read.names)+len(read.protocols) > 1 {
		return fmt.Errorf("%q: * stands for all the rest; write a --route of its own for it", text)
	}
	if err := read.readTarget(to); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	*r = read
	return nil
}

func (r *route) readKey(key string) error {
	if name, ok := strings.CutPrefix(key, protocolPrefix); ok {
		var p profile.Protocol
		err := p.UnmarshalText([]byte(name))
		r.protocols = append(r.protocols, p)
		return err
	}
	var p sni.Pattern
	err := p.UnmarshalText([]byte(key))
	r.names = append(r.names, p)
	return err
}

// readTarget reads the text after the first equals sign.
func (r *route) readTarget(to string) error {
	if to == refusal {
		return nil
	}
	var specs []string
	for token := range strings.SplitSeq(to, ",") {
		switch word := tlsWord(token); {
		case word == terminate || word == pass:
			if r.tls != unsaid {
				return fmt.Errorf("%s comes after %s; one of them is right", word, r.tls)
			}
			r.tls = word
		case token == refusal:
			return errors.New("refuse stands alone behind the equals sign")
		case len(specs) > 0 && isOption(token):
			specs[len(specs)-1] += "," + token
		default:
			specs = append(specs, token)
		}
	}
	return r.readBackends(specs)
}

// isOption reports whether token is an option, and not another BACKEND, which has a colon.
func isOption(token string) bool {
	key, _, _ := strings.Cut(token, "=")
	return !strings.Contains(key, ":")
}

func (r *route) readBackends(specs []string) error {
	if len(specs) == 0 || specs[0] == "" {
		return errors.New("no backend to go to; name at least one, or write =refuse")
	}
	for _, text := range specs {
		var s pool.Spec
		if err := s.UnmarshalText([]byte(text)); err != nil {
			return err
		}
		r.backends = append(r.backends, s)
	}
	return nil
}

// String returns r as an operator would write it.
func (r route) String() string {
	if r.refuses() {
		return r.keys() + "=" + refusal
	}
	var to []string
	for _, s := range r.backends {
		to = append(to, s.String())
	}
	if r.tls != unsaid {
		to = append(to, string(r.tls))
	}
	return r.keys() + "=" + strings.Join(to, ",")
}

// keys returns the text before the equals sign.
func (r route) keys() string {
	var all []string
	for _, n := range r.names {
		all = append(all, string(n))
	}
	for _, p := range r.protocols {
		all = append(all, protocolPrefix+string(p))
	}
	return strings.Join(all, ",")
}

// isDefault reports whether r is for all clients that no other route is for.
func (r route) isDefault() bool { return slices.Contains(r.names, sni.Rest) }

// refuses reports whether the clients of r are refused.
func (r route) refuses() bool { return len(r.backends) == 0 }

// defaultRoute returns the route for clients that no other route is for: the route *, or one to the BACKENDs. It
// refuses where there is neither.
func (c *config) defaultRoute() route {
	for _, r := range c.Routes {
		if r.isDefault() {
			return r
		}
	}
	return route{names: []sni.Pattern{sni.Rest}, backends: c.Backends}
}

// namedRoutes returns all routes but the default one.
func (c *config) namedRoutes() []route {
	return slices.DeleteFunc(slices.Clone(c.Routes), route.isDefault)
}

// routes returns all routes, the default one first.
func (c *config) routes() []route { return append([]route{c.defaultRoute()}, c.namedRoutes()...) }

// terminates reports whether the TLS of r's clients ends in this process.
func (c *config) terminates(r route) bool {
	if r.refuses() || r.tls != unsaid {
		return r.tls == terminate
	}
	return r.isDefault() && len(c.TLSCerts) > 0
}

// speaksTLS reports whether Forebay speaks TLS to r's backends. It does not where the client's TLS passes: that would
// be TLS within TLS.
func (c *config) speaksTLS(r route) bool {
	if !bool(c.BackendTLS) || r.refuses() {
		return false
	}
	return c.terminates(r) || r.tls == unsaid && r.isDefault() && len(c.namedRoutes()) == 0
}
