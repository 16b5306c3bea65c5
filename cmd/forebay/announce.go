package main

import (
	"fmt"
	"strings"

	"forebay/pool"
)

// announce says that connections are accepted: a few lines on a terminal, one message otherwise.
func (p *process) announce(e *env) {
	if e.stderrIs == toTerminal {
		fmt.Fprint(e.stderr, p.banner())
		return
	}
	p.logger.Info("serving",
		"version", readBuild().version,
		"listeners", p.addresses(),
		"backends", p.backendNames(),
		"policy", p.Policy.String(),
		"max_conns", p.sessions,
		"max_conns_from", p.reason())
}

func (p *process) banner() string {
	var b strings.Builder
	fmt.Fprintf(&b, "forebay %s\n", readBuild().version)
	fmt.Fprintf(&b, "  listening  %s\n", strings.Join(p.addresses(), ", "))
	fmt.Fprintf(&b, "  backends   %s (%s)\n", shorten(p.backendNames()), p.Policy)
	fmt.Fprintf(&b, "  sessions   at most %d, %s\n", p.sessions, p.reason())
	fmt.Fprintf(&b, "  Ctrl-C     stops when sessions have ended, or after %v; twice: at once\n", p.DrainTimeout)
	return b.String()
}

// addresses returns where it listens, as bound, so that a port 0 shows which it became.
func (p *process) addresses() []string {
	all := make([]string, len(p.listeners))
	for i, l := range p.listeners {
		all[i] = boundName(l.Name, l.Address)
	}
	return all
}

// boundName keeps :PORT as it was written, for the bound [::]:PORT means IPv6 alone when written.
func boundName(name string, at pool.Address) string {
	if strings.HasPrefix(name, ":") {
		return fmt.Sprintf(":%d", at.TCP().Port())
	}
	return at.String()
}

func (p *process) backendNames() []string {
	all := make([]string, len(p.backends))
	for i, b := range p.backends {
		all[i] = b.Name
	}
	return all
}

// shorten lists names, of many only the ends.
func shorten(names []string) string {
	const most = 6
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s … %s, %d in all", strings.Join(names[:2], ", "), names[len(names)-1], len(names))
}
