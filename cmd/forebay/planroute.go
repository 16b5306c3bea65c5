package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"forebay/pool"
	"forebay/pool/discover"
)

// A plannedRoute is a route with its backends resolved.
type plannedRoute struct {
	route
	backends []pool.Config
	pool     *pool.Pool // nil: it refuses
}

// planRoutes finds the backends of every route, the default one first.
func (c *commandLine) planRoutes(ctx context.Context, r resolver, p *plan) {
	o := c.config.poolOptions()
	if o.Validate() != nil {
		o = pool.Options{} // its faults were reported by the names of the flags
	}
	for _, route := range c.config.routes() {
		planned := plannedRoute{route: route}
		if err := planned.find(ctx, r, o); err != nil {
			c.blameRoute(route, err)
		}
		p.routes = append(p.routes, planned)
	}
}

// find resolves the backends of r and makes a pool of them.
func (r *plannedRoute) find(ctx context.Context, names resolver, o pool.Options) (err error) {
	if r.refuses() {
		return nil
	}
	if r.backends, err = discover.Static(ctx, names, r.route.backends); err != nil {
		return err
	}
	r.pool, err = pool.New(o, r.backends)
	return err
}

// blameRoute adds err as the fault of r's backends. The flag is not named where the backends are operands: err names
// these.
func (c *commandLine) blameRoute(r route, err error) {
	if r.isDefault() && len(c.config.Backends) > 0 {
		c.faults.add("", err)
		return
	}
	c.blame("route", err)
}

// backends returns the backends of all routes.
func (p *plan) backends() []pool.Config {
	var all []pool.Config
	for _, r := range p.routes {
		all = append(all, r.backends...)
	}
	return all
}

// refuseHopeless refuses backends that this machine can't reach at all.
func (c *commandLine) refuseHopeless(p *plan) {
	for _, b := range p.backends() {
		for _, at := range b.Addrs {
			c.faults.add("", hopeless(b.Name, at))
		}
	}
}

// hopeless says why the backend at an address can never be reached, as far as that is known without a connection. A
// UNIX socket that does not exist is no fault, since it may come later. Another file at its path is one.
func hopeless(name string, at pool.Address) error {
	if zone := at.TCP().Addr().Zone(); zone != "" {
		if _, err := net.InterfaceByName(zone); err != nil {
			return fmt.Errorf("backend %s: this machine has no network interface %q; ip link lists those it has",
				name, zone)
		}
	}
	if !at.IsUNIX() || strings.HasPrefix(at.Path(), "@") {
		return nil
	}
	if info, err := os.Stat(at.Path()); err == nil && info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("backend %s: what is there is no socket; name the one that the server listens on", name)
	}
	return nil
}

// planHedge refuses hedging where each route has one backend only. A name with one address is accepted: it may have
// more at the next start.
func (c *commandLine) planHedge(p *plan) {
	several := func(r plannedRoute) bool { return len(r.backends) > 1 }
	all := p.backends()
	if len(all) == 0 || c.config.HedgeAfter == 0 || slices.ContainsFunc(p.routes, several) {
		return
	}
	named := func(r plannedRoute) bool {
		return len(r.backends) == 1 && r.route.backends[0].Host != "" && net.ParseIP(r.route.backends[0].Host) == nil
	}
	if i := slices.IndexFunc(p.routes, named); i >= 0 {
		p.note("hedge-after needs a second backend, and %s is the only one now", p.routes[i].backends[0].Name)
		return
	}
	c.refuse("hedge-after", "there is no second backend to try; name another, or leave it out")
}
