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

// A plannedRoute is a route whose backends are found.
type plannedRoute struct {
	route
	backends []pool.Config
	pool     *pool.Pool // nil: it refuses
}

// planRoutes finds the backends of every route, the default one first.
func (c *commandLine) planRoutes(ctx context.Context, r resolver, p *plan) {
	o := c.config.poolOptions()
	if o.Validate() != nil {
		o = pool.Options{} // its faults have been told, by the names of the flags
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

// blameRoute adds what is wrong with the backends of r. Those that are arguments name themselves.
func (c *commandLine) blameRoute(r route, err error) {
	if r.isDefault() && len(c.config.Backends) > 0 {
		c.faults.add("", err)
		return
	}
	c.blame("route", err)
}

// backends returns those of all routes.
func (p *plan) backends() []pool.Config {
	var all []pool.Config
	for _, r := range p.routes {
		all = append(all, r.backends...)
	}
	return all
}

// refuseHopeless finds backends to which this machine has no way at all.
func (c *commandLine) refuseHopeless(p *plan) {
	for _, b := range p.backends() {
		for _, at := range b.Addrs {
			c.faults.add("", hopeless(b.Name, at))
		}
	}
}

// hopeless says why the backend at an address can't be reached, unless only trying would tell. A UNIX socket's file may
// come later, but not while another file is in its place.
func hopeless(name string, at pool.Address) error {
	if zone := at.TCP().Addr().Zone(); zone != "" {
		if _, err := net.InterfaceByName(zone); err != nil {
			return fmt.Errorf("backend %s: this machine has no network interface %q; ip link lists those it has", name, zone)
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

// planHedge refuses to hedge over backends that are alone. One that a name stands for may have company the next time.
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
