// Package discover finds out which backends exist: it makes the configuration of a pool.Pool from what an operator
// wrote.
//
// A name stands for all of its addresses. Each address is a backend of its own, with a name such as
// "db.example:5432(10.0.0.7)". A single address is named so as well: it stays the same backend when the name gets
// another address. A name with loopback addresses alone is one backend, and the addresses are alternatives: localhost
// is one machine, at 127.0.0.1 and at ::1.
//
// The addresses of a name are sorted, IPv4 first, because resolvers shuffle them. So a restart changes nothing.
package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"forebay/pool"
)

// A Resolver looks up the addresses of a name; *net.Resolver is one. The network is always "ip".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// lookupsAtOnce is how many names are looked up at a time. It spares the name server and our descriptors.
const lookupsAtOnce = 32

// Static resolves specs once, and returns their backends in the order of specs. Names are looked up at the same time,
// until ctx ends. The error joins every fault: each name that does not resolve, and each place that is listed twice.
// Without specs there are no backends, which is no error.
func Static(ctx context.Context, r Resolver, specs []pool.Spec) ([]pool.Config, error) {
	found := lookUp(ctx, r, names(specs))
	var configs []pool.Config
	var faults []error
	listed := make(registry)
	for _, s := range specs {
		addrs, err := found.of(s)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		backends := expand(s, addrs)
		if err := listed.enter(backends); err != nil {
			faults = append(faults, err)
		}
		configs = append(configs, backends...)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return configs, nil
}

// names returns each host of specs that has to be looked up, once.
func names(specs []pool.Spec) []string {
	var hosts []string
	for _, s := range specs {
		if isName(s) && !slices.Contains(hosts, s.Host) {
			hosts = append(hosts, s.Host)
		}
	}
	return hosts
}

func isName(s pool.Spec) bool {
	_, err := netip.ParseAddr(s.Host)
	return s.Path == "" && err != nil
}

// answers are the resolver's answers, by name.
type answers map[string]*answer

type answer struct {
	addrs    []netip.Addr
	err      error
	reported bool
}

// lookUp asks for all hosts at once, and returns when all have been answered.
func lookUp(ctx context.Context, r Resolver, hosts []string) answers {
	found := make(answers, len(hosts))
	slots := make(chan struct{}, lookupsAtOnce)
	var wg sync.WaitGroup
	for _, host := range hosts {
		a := new(answer)
		found[host] = a
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			a.addrs, a.err = resolve(ctx, r, host)
		})
	}
	wg.Wait()
	return found
}

// resolve returns host's addresses in order, each once.
func resolve(ctx context.Context, r Resolver, host string) ([]netip.Addr, error) {
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	switch {
	case err != nil && saysNothing(err):
		return nil, fmt.Errorf("the name %s could not be looked up: %w: the name may be right: check the name server and the network, or write an address",
			host, err)
	case err != nil:
		return nil, fmt.Errorf("the name %s does not resolve: %w: correct it, or write an address", host, err)
	case len(addrs) == 0:
		return nil, fmt.Errorf("the name %s has no address: correct it, or write an address", host)
	}
	addrs = slices.Clone(addrs)
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), nil
}

// saysNothing reports whether err says nothing about the name: the resolver itself failed, with a timeout or SERVFAIL,
// for example.
func saysNothing(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return !ok || !dns.IsNotFound
}

// of returns the addresses of s's host; none for a UNIX socket. A name that does not resolve is an error at its first
// spec only; for later specs of the same name, of returns no addresses and no error.
func (found answers) of(s pool.Spec) ([]netip.Addr, error) {
	if !isName(s) {
		a, _ := netip.ParseAddr(s.Host)
		return []netip.Addr{a}, nil
	}
	a := found[s.Host]
	if a.err == nil || a.reported {
		return a.addrs, nil
	}
	a.reported = true
	return nil, fmt.Errorf("backend %s: %w", s, a.err)
}

// expand returns the backends that s stands for: one for each port, or one for each port and address.
func expand(s pool.Spec, addrs []netip.Addr) []pool.Config {
	if s.Path != "" {
		return []pool.Config{config(s, "unix:"+s.Path, pool.UNIXAddress(s.Path))}
	}
	var backends []pool.Config
	for port := int(s.First); port <= int(s.Last); port++ {
		backends = append(backends, onPort(s, addrs, uint16(port))...)
	}
	return backends
}

func onPort(s pool.Spec, addrs []netip.Addr, port uint16) []pool.Config {
	name := s.HostPort(port)
	places := make([]pool.Address, len(addrs))
	for i, a := range addrs {
		places[i] = pool.TCPAddress(netip.AddrPortFrom(a, port))
	}
	if !isName(s) || len(addrs) > 0 && allLoopback(addrs) {
		return []pool.Config{config(s, name, places...)}
	}
	backends := make([]pool.Config, len(addrs))
	for i, a := range addrs {
		backends[i] = config(s, fmt.Sprintf("%s(%s)", name, a), places[i])
	}
	return backends
}

func allLoopback(addrs []netip.Addr) bool {
	return !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return !a.IsLoopback() })
}

func config(s pool.Spec, name string, places ...pool.Address) pool.Config {
	return pool.Config{Name: name, Addrs: places, Weight: s.Weight, MaxConns: s.MaxConns, Backup: s.Backup}
}

// A registry holds the name of the backend at each place.
type registry map[pool.Address]string

// enter notes the places of one spec's backends. If other backends have some of them already, that is one error, which
// names the first.
func (listed registry) enter(backends []pool.Config) error {
	var first error
	more := 0
	for _, b := range backends {
		for _, place := range b.Addrs {
			other, taken := listed[place]
			switch {
			case !taken:
				listed[place] = b.Name
			case first == nil:
				first = twice(place, other, b.Name)
			default:
				more++
			}
		}
	}
	if more > 0 {
		return fmt.Errorf("%w (so it is with %d more)", first, more)
	}
	return first
}

func twice(place pool.Address, one, other string) error {
	if one == other {
		return fmt.Errorf("backend %s is listed twice: leave one out", one)
	}
	return fmt.Errorf("backends %s and %s are the same, %s: leave one out", one, other, place)
}
