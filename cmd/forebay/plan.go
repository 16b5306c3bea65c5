package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"forebay/l4"
	"forebay/l4/accesslog"
	"forebay/l4/handoff"
	"forebay/pool"
)

// somaxconnPath is the file with the longest backlog that the kernel allows (listen(2)).
const somaxconnPath = "/proc/sys/net/core/somaxconn"

// A plan is a config with what this machine adds: its names are resolved, and its numbers fit the machine's limits.
type plan struct {
	*config
	listen    []handoff.Spec // one for each socket
	routes    []plannedRoute // the default one first
	tls       tlsPlan
	access    *accessList // nil: everybody may connect
	drains    *drainFile  // nil: no backend is drained
	limit     uint64      // of file descriptors
	sessions  int         // at once
	memory    l4.MemoryLimit
	scarce    bool     // memory allows fewer sessions than the descriptors do
	somaxconn int      // the longest backlog that the kernel allows; 0: not known
	notes     []string // what is no fault but may interest the operator
}

func (p *plan) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// plan makes the plan, and adds the faults that depend on this machine. It resolves names and raises the limit of file
// descriptors. It opens no listener.
func (c *commandLine) plan(ctx context.Context, r resolver) *plan {
	p := &plan{config: c.config}
	c.planListen(ctx, r, p)
	c.planRoutes(ctx, r, p)
	c.planHedge(p)
	c.planSources(p)
	c.planSessions(p)
	c.planBacklog(p)
	c.planLogFile()
	c.planTLS(p)
	c.planAccess(p)
	c.planDrains(p)
	c.refuseCircles(p)
	c.refuseVainChecks(p)
	c.refuseHopeless(p)
	return p
}

func (c *commandLine) planListen(ctx context.Context, r resolver, p *plan) {
	for _, spec := range c.config.Listen {
		resolved, err := spec.Resolve(ctx, r)
		if err != nil {
			c.faults.add("", err)
		}
		for _, l := range resolved {
			c.refuseOverlap(p.listen, l)
			p.listen = append(p.listen, l)
		}
	}
}

// refuseOverlap refuses l where one of the listeners before it would take its connections. Equal listeners are left to
// validateListen.
func (c *commandLine) refuseOverlap(before []handoff.Spec, l handoff.Spec) {
	i := slices.IndexFunc(before, l.Overlaps)
	if i >= 0 && before[i] != l {
		c.refuseOne("listen", "%s overlaps with %s, and only one of them can be listened on; leave one out", l,
			before[i])
	}
}

// planSources refuses addresses that this machine does not have (it binds to each), and those from which no backend can
// be reached.
func (c *commandLine) planSources(p *plan) {
	for _, ip := range c.config.Sources {
		if !p.hasBackendFor(ip.Addr) {
			c.refuse("source",
				"no backend has an address of the family of %s, so it would never be used; leave it out", ip)
		}
		err := handoff.Probe(mustListen(net.JoinHostPort(ip.String(), "0")))
		switch why := errors.Unwrap(err); {
		case errors.Is(err, syscall.EADDRNOTAVAIL):
			c.refuseOne("source", "no interface of this machine has %s", ip)
		case err != nil:
			c.refuseOne("source", "%s can't be connected from: %w", ip, cmp.Or(why, err))
		}
	}
}

// hasBackendFor reports whether any backend has an address of ip's family. It is true where no backend is known, which
// is another fault.
func (p *plan) hasBackendFor(ip netip.Addr) bool {
	all := p.backends()
	reached := func(at pool.Address) bool { return at.TCP().Addr().BitLen() == ip.BitLen() }
	return len(all) == 0 ||
		slices.ContainsFunc(all, func(b pool.Config) bool { return slices.ContainsFunc(b.Addrs, reached) })
}

// planSessions computes how many sessions fit into the limit of file descriptors.
func (c *commandLine) planSessions(p *plan) {
	limit, err := l4.DescriptorLimit()
	if err != nil {
		c.faults.add("", err)
		return
	}
	p.limit = limit
	if most := autoCount(l4.LoopsWithin(limit)); p.Loops > most && p.Loops <= l4.MostLoops {
		c.refuse("loops",
			"%d event loops do not fit into the limit of %d file descriptors; write at most %d, or raise the limit "+
				"(ulimit -Hn, LimitNOFILE= in systemd)", p.Loops, limit, most)
		return
	}
	most := p.sessionsWithin(limit)
	if checks := p.checksAtOnce(); most == 0 && checks > 0 {
		c.refuse("backend", "checks of %d backends may need %d file descriptors at a time, which leaves none for sessions under the limit of %d; "+
			"raise it (ulimit -Hn, LimitNOFILE= in systemd) to %d, or write --check off", len(p.backends()), checks, limit, p.limitFor(len(p.backends())))
		return
	}
	most = max(most, 1)
	p.memory = c.config.memoryLimit()
	p.sessions = int(c.config.MaxConns)
	if p.sessions == 0 {
		p.sessions = most
		if n := p.memory.Sessions(); n >= 0 && n < most {
			p.sessions, p.scarce = n, true
		}
	}
	if p.sessions > most {
		c.refuse("max-conns",
			"%d sessions do not fit into the limit of %d file descriptors; write at most %d, or raise the limit "+
				"(ulimit -Hn, LimitNOFILE= in systemd) to %d", p.sessions, limit, most, limit+2*uint64(p.sessions-most))
	}
}

// sessionsWithin returns how many sessions fit into a limit of file descriptors, beside listeners and checks.
func (p *plan) sessionsWithin(limit uint64) int {
	return l4.MaxConnsFor(limit-min(limit, uint64(len(p.listen)+p.checksAtOnce())), l4.LoopsFor(int(p.Loops)))
}

// limitFor returns a limit of file descriptors that is enough for so many sessions.
func (p *plan) limitFor(sessions int) uint64 {
	limit := max(p.limit, 64)
	for p.sessionsWithin(limit) < sessions && limit < 1<<30 {
		limit *= 2
	}
	return limit
}

// planBacklog refuses a backlog that the kernel would silently shorten.
func (c *commandLine) planBacklog(p *plan) {
	text, err := os.ReadFile(somaxconnPath)
	most, convErr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || convErr != nil {
		return
	}
	p.somaxconn = most
	if int(c.config.Backlog) > most {
		c.refuse("backlog",
			"%d is more than the kernel allows; write at most %d, or raise it with sysctl net.core.somaxconn=%d",
			c.config.Backlog, most, c.config.Backlog)
	}
}

// planLogFile refuses a log file that can't be opened. It does not make the file.
func (c *commandLine) planLogFile() {
	path := string(c.config.LogFile)
	if path == "" {
		return
	}
	info, err := os.Stat(path)
	switch {
	case accesslog.Inherits(path):
	case errors.Is(err, os.ErrNotExist):
		c.refuseUnmakable(path)
	case err != nil:
		c.refuse("log-file", "%w", err)
	case info.Mode()&os.ModeSocket != 0:
		c.refuse("log-file", "%s is a socket, which can't be opened; name a file or a pipe", path)
	case info.IsDir():
		c.refuse("log-file", "%s is a directory; name a file in it", path)
	default:
		if err := writable(path); err != nil {
			c.refuse("log-file", "write to %s: %w: let this user write there, or name another", path, err)
		}
	}
}

// refuseUnmakable refuses the log file at path if it can't be made. There must be nothing at path.
func (c *commandLine) refuseUnmakable(path string) {
	dir := filepath.Dir(path)
	switch err := writable(dir); {
	case errors.Is(err, os.ErrNotExist):
		c.refuse("log-file", "%s can't be made, for there is no directory %s: make it, or name another", path, dir)
	case err != nil:
		c.refuse("log-file", "%s can't be made in %s: %w: let this user write there, or name another", path, dir, err)
	}
}

// writable returns nil if this user may write to the file, or make files in the directory, at path.
func writable(path string) error {
	const write = 2 // W_OK of access(2)
	return syscall.Access(path, write)
}

// refuseCircles refuses backends that are this process's own listeners: each session there would open another one,
// without end.
func (c *commandLine) refuseCircles(p *plan) {
	own, err := handoff.Addresses()
	if err != nil {
		p.note("whether a backend is this machine itself was not looked at: %v", err)
	}
	for _, b := range p.backends() {
		for _, l := range p.listen {
			if slices.ContainsFunc(b.Addrs, func(at pool.Address) bool { return l.Accepts(at, own) }) {
				c.faults.addf("",
					"backend %s is where this process would listen itself (%s); sessions would go round in circles",
					b.Name, l)
			}
		}
	}
}

// probe returns an error for each listener that can't be opened.
func (p *plan) probe(e *env) []error {
	var refused []error
	for _, l := range p.listen {
		if err := e.probe(l); err != nil {
			refused = append(refused, err)
		}
	}
	return refused
}

// bind opens all listeners or none. The error names every one that could not be opened.
func (p *plan) bind() ([]*l4.Listener, error) {
	var open []*l4.Listener
	var refused faults
	for _, s := range p.listen {
		l, err := handoff.Listen(s, handoff.Options{Backlog: int(p.Backlog)})
		if err != nil {
			refused.add("", err)
			continue
		}
		open = append(open, l)
	}
	if refused.err() != nil {
		unbind(open)
		return nil, refused.err()
	}
	return open, nil
}

// unbind closes listeners that were not given to a Server.
func unbind(open []*l4.Listener) {
	for _, l := range open {
		l.File.Close()
	}
	handoff.Remove(open...)
}
