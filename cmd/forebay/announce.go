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
	p.logger.Info("serving", append([]any{
		"version", readBuild().version,
		"listeners", p.addresses(),
		"backends", p.backendNames(),
		"policy", p.Policy.String(),
		"max_conns", p.sessions,
		"max_conns_from", p.reason(),
		"memory", limitText(p.memory),
		"memory_from", p.memory.From}, p.tlsFacts()...)...)
}

// tlsFacts returns the certificates and routes for the log, if there are any.
func (p *process) tlsFacts() (facts []any) {
	if names := p.certifiedNames(); len(names) > 0 {
		facts = append(facts, "certificates", names)
	}
	if len(p.Routes) > 0 {
		facts = append(facts, "routes", p.routeKeys())
	}
	return facts
}

// certifiedNames returns the names that clients can get a certificate for, one text for each certificate.
func (p *process) certifiedNames() (all []string) {
	for _, s := range p.tls.certificates() {
		all = append(all, namesOf(s))
	}
	return all
}

func (p *process) routeKeys() (all []string) {
	for _, r := range p.Routes {
		all = append(all, r.keys())
	}
	return all
}

func (p *process) banner() string {
	var b strings.Builder
	fmt.Fprintf(&b, "forebay %s\n", readBuild().version)
	fmt.Fprintf(&b, "  listening  %s\n", strings.Join(p.addresses(), ", "))
	fmt.Fprintf(&b, "  backends   %s (%s)\n", shorten(p.backendNames()), p.Policy)
	if names := p.certifiedNames(); len(names) > 0 {
		fmt.Fprintf(&b, "  TLS        ends here, for %s\n", shorten(names))
	}
	if len(p.Routes) > 0 {
		fmt.Fprintf(&b, "  routes     %s\n", shorten(p.routeKeys()))
	}
	fmt.Fprintf(&b, "  sessions   at most %d, %s\n", p.sessions, p.reason())
	fmt.Fprintf(&b, "  Ctrl-C     stops when sessions have ended, or after %v; twice: at once\n", p.DrainTimeout)
	return b.String()
}

// addresses returns the bound addresses of the listeners: in place of port 0 they have the port that the kernel chose.
func (p *process) addresses() []string {
	all := make([]string, len(p.listeners))
	for i, l := range p.listeners {
		all[i] = boundName(l.Name, l.Address)
	}
	return all
}

// boundName returns :PORT for a listener that was written so: its bound address [::]:PORT, as a flag, would mean IPv6
// alone.
func boundName(name string, at pool.Address) string {
	if strings.HasPrefix(name, ":") {
		return fmt.Sprintf(":%d", at.TCP().Port())
	}
	return at.String()
}

func (p *process) backendNames() []string {
	var all []string
	for _, b := range p.backends() {
		all = append(all, b.Name)
	}
	return all
}

// shorten lists names; of many it lists the first two and the last.
func shorten(names []string) string {
	const most = 6
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s … %s, %d in all", strings.Join(names[:2], ", "), names[len(names)-1], len(names))
}

// warn logs settings that are dangerous.
func (p *process) warn() {
	if p.BackendTLSInsecure {
		p.logger.Warn("backends are not verified: anybody between here and there can read and change everything",
			"flag", "--backend-tls-insecure")
	}
	for _, path := range p.exposed() {
		p.logger.Warn("a key can be read by every user of this machine", "file", path)
	}
	p.tellUnregistered()
}
