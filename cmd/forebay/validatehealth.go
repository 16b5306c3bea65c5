package main

import (
	"forebay/pool"
	"forebay/pool/health"
)

// healthDependences lists the settings that have no effect without checks or ejections.
func (c *config) healthDependences() []dependence {
	ejects := c.EjectAfter > 0 || c.EjectShare > 0 || c.EjectSlow > 0
	return []dependence{
		{!c.Check.Off(), "nothing is checked with --check off",
			[]string{"check-interval", "check-timeout", "rise", "fall", "initial", "on-down"}},
		{ejects, "nothing is ejected without --eject-after, --eject-share or --eject-slow", []string{"eject-hold"}},
	}
}

// validateHealth adds the faults of the settings for checks and ejections.
func (c *commandLine) validateHealth() {
	cfg := c.config
	c.refuseUnread(cfg.healthDependences())
	if !cfg.Check.Off() {
		c.validateChecks()
	}
	if cfg.Rebalance.Rate > 0 && (cfg.Policy == pool.Source || cfg.Policy == pool.First) {
		c.refuse("rebalance",
			"with --policy %s clients would come back to where they were; another policy, such as least-conn, is right",
			cfg.Policy)
	}
	if cfg.EjectSlow == 1 {
		c.refuse("eject-slow", "half of the backends are slower than the median; write more than 1, such as 3")
	}
	if cfg.EjectHold == 0 {
		c.refuse("eject-hold", "0 holds nothing back; write 5s, or --eject-after 0 --eject-share 0%%")
	}
	if cfg.PanicThreshold > 0 && cfg.WhenAllDown == pool.RefuseDown {
		c.refuse("panic-threshold",
			"it sends sessions to backends that are down, and --when-all-down refuse does not; leave one out")
	}
}

func (c *commandLine) validateChecks() {
	cfg := c.config
	if cfg.CheckInterval == 0 {
		c.refuse("check-interval", "0 leaves no time between checks; write 2s, or --check off")
	}
	if cfg.CheckTimeout == 0 {
		c.refuse("check-timeout", "0 leaves no time to answer; write 2s")
	}
	if cfg.Rise == 0 {
		c.refuse("rise", "0 checks prove nothing; write 1 or more")
	}
	if cfg.Fall == 0 {
		c.refuse("fall", "0 checks prove nothing; write 1 or more")
	}
}

// refuseVainChecks refuses a check that a backend can never pass.
func (c *commandLine) refuseVainChecks(p *plan) {
	for _, r := range p.routes {
		if _, err := p.check(r.route); err != nil {
			c.refuse("check", "%w", err)
			return
		}
		for _, b := range r.backends {
			for _, a := range b.Addrs {
				if err := p.fits(r.route, a); err != nil {
					c.refuse("check", "%w", err)
				}
			}
		}
	}
}

// fits says why a check of a backend at a can never pass. Where sessions speak TLS, the check takes the name to verify
// from them.
func (p *plan) fits(r route, a pool.Address) error {
	t := health.Target{Network: "tcp", Address: a.String()}
	if a.IsUNIX() {
		t = health.Target{Network: "unix", Address: a.Path()}
	}
	if p.speaksTLS(r) {
		_, err := p.Check.Target(t)
		return err
	}
	return p.Check.Fits(t)
}
