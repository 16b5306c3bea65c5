package main

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"forebay/l4"
	"forebay/l4/accesslog"
	"forebay/l4/handoff"
	"forebay/pool"
)

// maxTries is the most tries that a Server takes.
const maxTries = 16

// maxReplay is the most that a session may keep to send to another backend: a request, not a file.
const maxReplay = 16 * mebibyte

// The largest values that the kernel takes (tcp(7); MAX_TCP_KEEPIDLE and do_tcp_setsockopt of Linux). It refuses larger
// ones, which an operator would not notice, and rounds fractions.
const (
	maxKeepAlive   = duration(32767 * time.Second)
	maxUserTimeout = duration(math.MaxInt32 * time.Millisecond)
)

// validate adds the faults that do not depend on the machine: values out of range, and settings that do not fit
// together.
func (c *commandLine) validate() {
	c.validateBackends()
	c.validateListen()
	c.validateConnecting()
	c.validateLimits()
	c.validateClients()
	c.validateHealth()
	c.validateProxy()
	c.validateTLS()
	c.validateRoutes()
	c.validateLog()
}

// refuse adds a fault of the setting called name, unless its value could not even be read.
func (c *commandLine) refuse(name, format string, args ...any) {
	if s := c.named(name); !s.rejected {
		c.faults.addf(s.called(), format, args...)
	}
}

// refuseOne refuses one of several values of the setting called name, even if another could not be read.
func (c *commandLine) refuseOne(name, format string, args ...any) {
	c.faults.addf(c.named(name).called(), format, args...)
}

// blame adds err, or each of its parts, as a fault of the setting called name. nil is no fault.
func (c *commandLine) blame(name string, err error) { c.faults.add(c.named(name).called(), err) }

// given reports whether the operator has set the setting called name.
func (c *commandLine) given(name string) bool { return c.named(name).given() }

func (c *commandLine) validateBackends() {
	if len(c.config.Backends)+len(c.config.Routes) == 0 && !c.named("backend").rejected && !c.named("route").rejected {
		c.faults.add("", c.noBackends())
	}
	if c.given("hash-load-factor") && c.config.Policy != pool.Source && !c.named("policy").rejected {
		c.refuse("hash-load-factor", "it has no effect without --policy source, and the policy is %s", c.config.Policy)
	}
}

// noBackends returns the error for no backends. It names a port that the operator may have meant as a backend.
func (c *commandLine) noBackends() error {
	if len(c.ports) == 0 {
		return errors.New(
			"no backends; name at least one, as in forebay 127.0.0.1:8000-8003; forebay --help tells more")
	}
	return fmt.Errorf("no backends; %s is a place to listen: for a backend on this machine write 127.0.0.1%[1]s",
		c.ports[len(c.ports)-1])
}

func (c *commandLine) validateListen() {
	seen := map[handoff.Spec]bool{}
	for _, s := range c.config.Listen {
		if seen[s] && s.Port() != 0 {
			c.refuseOne("listen", "%s is there twice", s)
		}
		seen[s] = true
	}
}

func (c *commandLine) validateConnecting() {
	cfg := c.config
	if cfg.ConnectTimeout == 0 {
		c.refuse("connect-timeout", "0 leaves no time to connect; write 5s")
	}
	if cfg.Tries < 1 || cfg.Tries > maxTries {
		c.refuse("tries", "%d is out of range; write a number from 1 to %d", cfg.Tries, maxTries)
	}
	if cfg.ConnectBudget != 0 && cfg.ConnectBudget < cfg.ConnectTimeout {
		c.refuse("connect-budget", "%v for all tries is less than --connect-timeout %v for one", cfg.ConnectBudget,
			cfg.ConnectTimeout)
	}
	if cfg.HedgeAfter != 0 && cfg.HedgeAfter >= cfg.ConnectTimeout {
		c.refuse("hedge-after", "%v comes no sooner than --connect-timeout %v; write less, such as 150ms",
			cfg.HedgeAfter, cfg.ConnectTimeout)
	}
	if cfg.HedgeAfter != 0 && cfg.Tries == 1 {
		c.refuse("hedge-after", "a second backend beside the first needs --tries 2 or more")
	}
	if cfg.Replay != 0 && cfg.Tries == 1 {
		c.refuse("replay", "another backend after the first needs --tries 2 or more")
	}
	if cfg.Replay > maxReplay {
		c.refuse("replay", "each session would keep up to %v in memory; write at most %v", cfg.Replay, maxReplay)
	}
	seen := map[netip.Addr]bool{}
	for _, ip := range cfg.Sources {
		if seen[ip.Addr] {
			c.refuseOne("source", "%s is there twice", ip)
		}
		seen[ip.Addr] = true
	}
}

func (c *commandLine) validateLimits() {
	cfg := c.config
	if c.given("queue-timeout") && cfg.Queue == 0 {
		c.refuse("queue-timeout", "with --queue 0 nobody waits")
	}
	if cfg.Queue > 0 && cfg.QueueTimeout == 0 {
		c.refuse("queue-timeout", "0 leaves no time to wait; for no queue write --queue 0")
	}
	if c.given("lifetime-jitter") && cfg.MaxLifetime == 0 {
		c.refuse("lifetime-jitter", "there is no --max-lifetime to shorten")
	}
	if !fits(cfg.KeepAlive, time.Second, maxKeepAlive) {
		c.refuse("keep-alive", "the kernel can't take %v; write whole seconds from 1s to %v, or 0 for never",
			cfg.KeepAlive, maxKeepAlive)
	}
	if !fits(cfg.UserTimeout, time.Millisecond, maxUserTimeout) {
		c.refuse("user-timeout",
			"the kernel can't take %v; write whole milliseconds from 1ms to %v, or 0 for its own rule", cfg.UserTimeout,
			maxUserTimeout)
	}
	if cfg.Loops > l4.MostLoops {
		c.refuse("loops", "%d is out of range; write a number from 1 to %d, or auto", cfg.Loops, l4.MostLoops)
	}
}

// fits reports whether d is a whole number of units, and not more than most.
func fits(d duration, unit time.Duration, most duration) bool {
	return d <= most && time.Duration(d)%unit == 0
}

func (c *commandLine) validateProxy() {
	cfg := c.config
	if len(cfg.ProxyIn) > 0 && cfg.ProxyTimeout == 0 {
		c.refuse("proxy-timeout", "0 leaves no time for a header to arrive; write 5s")
	}
	if c.given("proxy-timeout") && len(cfg.ProxyIn) == 0 {
		c.refuse("proxy-timeout", "no header is looked for without --proxy-in")
	}
	if cfg.ProxyPassTLV && (len(cfg.ProxyIn) == 0 || l4.ProxyVersion(cfg.ProxyOut) != l4.ProxyV2) {
		c.refuse("proxy-pass-tlv", "fields come in with --proxy-in and go out with --proxy-out v2; both are needed")
	}
	seen := map[trusted]bool{}
	for _, p := range cfg.ProxyIn {
		if seen[p] {
			c.refuseOne("proxy-in", "%s is there twice", p)
		}
		seen[p] = true
	}
	if seen[trusted{unix: true}] && !slices.ContainsFunc(cfg.Listen, handoff.Spec.IsUNIX) &&
		!c.named("listen").rejected {
		c.refuse("proxy-in", "no --listen is a UNIX socket; leave out %s, or add --listen unix:PATH", unixSockets)
	}
	c.validateProxyTLV()
}

func (c *commandLine) validateLog() {
	if c.config.Log != (logFormat{accesslog.Off, true}) {
		return
	}
	if c.given("log-file") {
		c.refuse("log-file", "nothing is written there with --log off")
	}
	if c.config.LogEmpty {
		c.refuse("log-empty", "nothing is logged with --log off")
	}
}
