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

// enoughAnswers is how many sessions that were answered, between two checks, stand for a check.
const enoughAnswers = 3

// ejection says when sessions that fail take their backend out of use.
func (c *config) ejection() pool.Ejection {
	return pool.Ejection{After: int(c.EjectAfter), Share: float64(c.EjectShare), Slow: float64(c.EjectSlow), Hold: time.Duration(c.EjectHold)}
}

// A caretaker finds out which backends are up, and logs what it finds, for as long as a process serves.
type caretaker struct {
	stop    context.CancelFunc
	running sync.WaitGroup
	told    *chronicle

	children *health.Children
}

// care begins to look after the backends of every route.
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

// listenersOf returns what looks at the accept queues of the backends of r; nil where nothing does. Where sessions do
// not ask for it sooner, it does so as often as checks would.
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

// watchListeners looks at them, where the kernel lets it.
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

// checker returns what checks the backends of r; nil where nothing does. The programs that it starts are among
// children.
func (p *plan) checker(r plannedRoute, children *health.Children) *health.Checker {
	if p.Check.Off() {
		return nil
	}
	check, _ := p.check(r.route) // refuseVainChecks has told of errors
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

// check is how the backends of r are asked. Where sessions speak TLS, so do checks: a certificate that has expired is
// found before a client meets it.
func (c *config) check(r route) (health.Check, error) {
	if c.speaksTLS(r) {
		return c.Check.OverTLS()
	}
	return c.Check, nil
}

// checks lists how backends are asked, which may differ from route to route.
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

// checkHeader is the PROXY header that backends want to see.
func (c *config) checkHeader() health.Header {
	switch l4.ProxyVersion(c.ProxyOut) {
	case l4.ProxyV1:
		return health.HeaderV1
	case l4.ProxyV2:
		return health.HeaderV2
	}
	return health.NoHeader
}

// checkTLS is how a check that speaks TLS does: as sessions do, where these speak it. nil: as health.Dialer has it.
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

// checkRoots is who vouches for a backend where sessions speak TLS, as the file says by then.
func (p *plan) checkRoots(r plannedRoute) func() *x509.CertPool {
	if !p.speaksTLS(r.route) {
		return nil
	}
	return p.tls.backends.profile.Roots.Pool
}

// checksAtOnce is how many descriptors checks may need at a time.
func (p *plan) checksAtOnce() int { return p.Check.Descriptors() * len(p.backends()) }
