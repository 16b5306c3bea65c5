package main

import (
	"forebay/l4"
)

// newServer returns a Server with the settings of the plan.
func (p *plan) newServer() *l4.Server {
	s := p.config.server()
	s.MaxConns, s.Buffers = p.sessions, p.memory.Buffers()
	if p.access != nil {
		s.Limits.Access = &p.access.Access
	}
	s.Route = p.route(p.routes[0])
	if len(p.routes) == 1 {
		return s
	}
	s.Route.Name = p.routes[0].keys()
	s.Routes = &l4.Routes{Protocols: make(map[string]*l4.Route)}
	for _, r := range p.routes[1:] {
		p.enter(r, s.Routes)
	}
	return s
}

// enter adds r to the routes by ClientHello.
func (p *plan) enter(r plannedRoute, routes *l4.Routes) {
	to := p.route(r)
	to.Name = r.keys()
	for _, protocol := range r.protocols {
		routes.Protocols[string(protocol)] = &to
	}
	for _, name := range r.names {
		routes.Names.Add(name, &to) // two routes for one name were refused
	}
}

// route returns r as an l4.Route, without a name.
func (p *plan) route(r plannedRoute) l4.Route {
	to := l4.Route{Pool: r.pool}
	if p.terminates(r.route) {
		to.TLS = p.tls.clients
	}
	if p.speaksTLS(r.route) {
		to.BackendTLS = p.tls.backends.config
	}
	return to
}
