package main

import (
	"fmt"
	"runtime"
	"slices"

	"forebay/l4"
	"forebay/l4/accesslog"
	"forebay/pool"
)

// unused is what check shows for a setting without effect.
const unused = "–"

// effective returns the value in force: the one that was given, or the one that the default comes to.
func (p *plan) effective(e *env, s *setting) string {
	if !p.reads(s.name) {
		return unused
	}
	if settled := p.settled(e, s.name); settled != "" {
		return settled
	}
	if s.shown != "" && (!s.given() || s.mayBeOff() && s.String() == s.initial[0]) {
		return s.shown
	}
	return s.String()
}

// reads reports whether the setting called name has an effect with the other settings.
func (p *plan) reads(name string) bool {
	switch name {
	case "hash-load-factor":
		return p.Policy == pool.Source
	case "queue-timeout":
		return p.Queue > 0
	case "lifetime-jitter":
		return p.MaxLifetime > 0
	case "proxy-timeout":
		return len(p.ProxyIn) > 0
	case "proxy-tlv":
		return l4.ProxyVersion(p.ProxyOut) == l4.ProxyV2
	case "log-file", "log-empty":
		return p.Log != logFormat{accesslog.Off, true}
	}
	return !slices.ContainsFunc(slices.Concat(p.tlsDependences(), p.healthDependences(), p.clientDependences()),
		func(d dependence) bool { return !d.reads(name) })
}

// settled returns the value of a setting that follows from this machine or from another setting; "" where it does not.
func (p *plan) settled(e *env, name string) string {
	switch {
	case name == "max-conns":
		return fmt.Sprint(p.sessions)
	case name == "memory" && p.Memory == 0 && p.memory.Bytes > 0:
		return fmt.Sprintf("auto: %s, %s", limitText(p.memory), p.memory.From)
	case name == "backlog" && p.Backlog == 0 && p.somaxconn > 0:
		return fmt.Sprintf("auto: %d", p.somaxconn)
	case name == "loops" && p.Loops == 0:
		return fmt.Sprintf("auto: up to %d", l4.LoopsFor(0))
	case name == "io-uring" && p.IOUring == "":
		if err := l4.IOUring(); err != nil {
			return fmt.Sprintf("auto: no (%v)", err)
		}
		return "auto: yes"
	case name == "handshakes" && p.Handshakes == 0:
		return fmt.Sprintf("auto: %d", runtime.GOMAXPROCS(0))
	case name == "check":
		return p.checks()
	case name == "log" && !bool(p.Log.chosen):
		return "auto: " + p.logFormat(e).String()
	case name == "connect-budget" && p.ConnectBudget == 0:
		return (p.ConnectTimeout * duration(p.Tries)).String()
	}
	return ""
}

// logFormat returns the format of the access log, in a file or on e's standard output.
func (c *config) logFormat(e *env) accesslog.Format {
	switch {
	case bool(c.Log.chosen):
		return c.Log.format
	case c.LogFile == "" && e.stdoutIs == toTerminal:
		return accesslog.Text
	}
	return accesslog.JSON
}
