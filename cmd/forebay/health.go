package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"sync"
	"time"

	"forebay/l4"
	"forebay/pool"
	"forebay/pool/health"
)

// enoughAnswers is how many sessions with an answer, since the last check, replace a check.
const enoughAnswers = 3

// ejection returns the Ejection of c's settings.
func (c *config) ejection() pool.Ejection {
	return pool.Ejection{After: int(c.EjectAfter), Share: float64(c.EjectShare), Slow: float64(c.EjectSlow),
		Hold: time.Duration(c.EjectHold)}
}

// A caretaker finds out which backends are up, and logs it, as long as the process serves.
type caretaker struct {
	stop    context.CancelFunc
	running sync.WaitGroup
	told    *chronicle

	children *health.Children
}

// care begins to check the backends of every route.
func (p *process) care() {
	ctx, cancel := context.WithCancel(context.Background())
	k := &p.caretaker
	k.stop, k.told, k.children = cancel, newChronicle(p.logger, p.WhenAllDown, p.said.patience), health.NewChildren()
	k.running.Go(func() { k.told.write(ctx) })
	k.running.Go(func() { k.children.Collect(ctx) })
	for _, r := range p.routes {
		if r.pool == nil {
			continue
		}
		k.told.follow(r.pool)
		k.running.Go(func() { r.pool.CompareTimes(ctx) })
		listeners := p.listenersOf(r)
		if listeners != nil {
			k.running.Go(func() { p.watchListeners(ctx, listeners) })
		}
		if checker := p.checker(r, k.children); checker != nil {
			checker.Listeners = listeners
			k.running.Go(func() { checker.Run(ctx) })
		}
	}
}

// listenersOf returns the Listeners for the backends of r; nil where their accept queues are not watched. While no
// sessions begin, they look as often as checks would.
func (p *plan) listenersOf(r plannedRoute) *health.Listeners {
	if p.EjectWaiting == 0 {
		return nil
	}
	l := health.NewListeners(r.pool)
	l.Patience = time.Duration(p.EjectWaiting)
	l.Rest = time.Duration(p.CheckInterval)
	l.Interval = min(l.Interval, l.Rest)
	return l
}

// watchListeners runs l, and logs it where the kernel does not allow that.
func (p *process) watchListeners(ctx context.Context, l *health.Listeners) {
	if err := l.Run(ctx); err != nil {
		p.logger.Info("the accept queues of backends on this machine are not watched", "error", err)
	}
}

// uncare ends what care began, and waits for it.
func (p *process) uncare() {
	p.caretaker.stop()
	p.caretaker.running.Wait()
}

// checker returns the Checker for the backends of r; nil where there are no checks. children collects the programs that
// it starts.
func (p *plan) checker(r plannedRoute, children *health.Children) *health.Checker {
	if p.Check.Off() {
		return nil
	}
	check, _ := p.check(r.route) // refuseVainChecks has reported the errors
	dialer := health.Dialer{Header: p.checkHeader(), TLS: p.checkTLS(r), Roots: p.checkRoots(r),
		Sources: health.NewSources(p.sources()...), Children: children}
	c := health.NewChecker(r.pool, check.Probe(dialer))
	c.Interval, c.Timeout = time.Duration(p.CheckInterval), time.Duration(p.CheckTimeout)
	c.Rise, c.Fall, c.Initial = int(p.Rise), int(p.Fall), p.Initial
	if check.Proven() {
		c.Enough = enoughAnswers
	}
	c.Doubting = check.Doubting(dialer)
	return c
}

// check returns the check for the backends of r. Where sessions speak TLS, checks do, too: so an expired certificate is
// found before a client meets it.
func (c *config) check(r route) (health.Check, error) {
	if c.speaksTLS(r) {
		return c.Check.OverTLS()
	}
	return c.Check, nil
}

// checks lists the checks of all routes, which may differ.
func (c *config) checks() string {
	var all []string
	for _, r := range c.routes() {
		check, _ := c.check(r)
		if text := check.String(); !r.refuses() && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return strings.Join(all, " and ")
}

// checkHeader returns the PROXY header for checks: as for sessions.
func (c *config) checkHeader() health.Header {
	switch l4.ProxyVersion(c.ProxyOut) {
	case l4.ProxyV1:
		return health.HeaderV1
	case l4.ProxyV2:
		return health.HeaderV2
	}
	return health.NoHeader
}

// checkTLS returns the TLS configuration for checks: that of sessions, if these speak TLS. nil: the default of
// health.Dialer.
func (p *plan) checkTLS(r plannedRoute) *tls.Config {
	if !p.speaksTLS(r.route) {
		return nil
	}
	backends := r.pool.Backends()
	if len(backends) == 0 {
		return nil
	}
	config := p.tls.backends.config(backends[0], "").Clone()
	config.ServerName = string(p.BackendSNI) // "": each backend's own
	return config
}

// checkRoots returns a function for the authorities that backends are verified by now; nil where sessions do not speak
// TLS.
func (p *plan) checkRoots(r plannedRoute) func() *x509.CertPool {
	if !p.speaksTLS(r.route) {
		return nil
	}
	return p.tls.backends.profile.Roots.Pool
}

// checksAtOnce returns how many descriptors all checks need at a time, at most.
func (p *plan) checksAtOnce() int { return p.Check.Descriptors() * len(p.backends()) }
