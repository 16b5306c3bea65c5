package main

import (
	"time"

	"forebay/l4"
)

// A clientConfig is the settings for who may connect, and how much one client may have.
type clientConfig struct {
	Allow, Deny         []addressRange
	AllowFile, DenyFile []text

	ClientConns count // 0: no limit, here and below
	ClientRate  rate
	AcceptRate  rate

	SessionUpload, SessionDownload bandwidth
	ClientUpload, ClientDownload   bandwidth

	MinProgress     bandwidth
	MinProgressOver duration

	OnLimit    onLimit
	LimitDelay duration
}

// limits returns the Limits for a Server. The plan adds who may connect.
func (c *clientConfig) limits() l4.Limits {
	return l4.Limits{
		ClientConns:     int(c.ClientConns),
		ClientRate:      l4.Rate(c.ClientRate),
		AcceptRate:      l4.Rate(c.AcceptRate),
		SessionUpload:   c.SessionUpload.over(time.Second),
		SessionDownload: c.SessionDownload.over(time.Second),
		ClientUpload:    c.ClientUpload.over(time.Second),
		ClientDownload:  c.ClientDownload.over(time.Second),
		LeastProgress:   c.MinProgress.over(time.Duration(c.MinProgressOver)),
		OnLimit:         l4.Refusal(c.OnLimit),
		LimitDelay:      time.Duration(c.LimitDelay),
	}
}

// lists reports whether there is an access list.
func (c *clientConfig) lists() bool {
	return len(c.Allow)+len(c.Deny)+len(c.AllowFile)+len(c.DenyFile) > 0
}

// clientSettings lists the settings for clients, in the order of help.
func clientSettings(c *config) []*setting {
	return []*setting{
		{group: groupClients, name: "allow", arg: "CIDR", value: many(&c.Allow), shown: "all",
			brief:   "let in only these clients",
			meaning: "let in only clients of these ranges; the longest range that holds a client decides; repeatable"},
		{group: groupClients, name: "deny", arg: "CIDR", value: many(&c.Deny), shown: "none",
			meaning: "keep out clients of these ranges; repeatable"},
		{group: groupClients, name: "allow-file", arg: "FILE", value: many(&c.AllowFile), shown: "none",
			meaning: "more ranges to allow, one a line; read again when it changes; repeatable"},
		{group: groupClients, name: "deny-file", arg: "FILE", value: many(&c.DenyFile), shown: "none",
			meaning: "more ranges to deny; the same"},
		{group: groupClients, name: "client-conns", arg: "N", value: one(&c.ClientConns), shown: "no limit",
			brief:   "sessions at once of one",
			meaning: "sessions at once of one IPv4 address or IPv6 /64"},
		{group: groupClients, name: "client-rate", arg: "RATE", value: one(&c.ClientRate), shown: "no limit",
			meaning: "new sessions of one, such as 20/s or 300/m"},
		{group: groupClients, name: "accept-rate", arg: "RATE", value: one(&c.AcceptRate), shown: "no limit",
			meaning: "new sessions of a listener; more wait in the kernel's queue"},
		{group: groupClients, name: "session-upload", arg: "BANDWIDTH", value: one(&c.SessionUpload), shown: "no limit",
			meaning: "from the client of each session, such as 1MiB/s"},
		{group: groupClients, name: "session-download", arg: "BANDWIDTH", value: one(&c.SessionDownload),
			shown:   "no limit",
			meaning: "to the client of each session"},
		{group: groupClients, name: "client-upload", arg: "BANDWIDTH", value: one(&c.ClientUpload), shown: "no limit",
			meaning: "from one IPv4 address or IPv6 /64, all its sessions together"},
		{group: groupClients, name: "client-download", arg: "BANDWIDTH", value: one(&c.ClientDownload),
			shown:   "no limit",
			meaning: "to one"},
		{group: groupClients, name: "min-progress", arg: "BANDWIDTH", value: one(&c.MinProgress), shown: "none",
			meaning: "end a session in which a peer takes less than this of what waits for it all the time"},
		{group: groupClients, name: "min-progress-over", arg: "TIME", value: one(&c.MinProgressOver),
			meaning: "for how long that is looked at"},
		{group: groupClients, name: "on-limit", arg: "HOW", value: one(&c.OnLimit),
			meaning: "how to turn away a client over a limit or denied: reset, close, or delay"},
		{group: groupClients, name: "limit-delay", arg: "TIME", value: one(&c.LimitDelay),
			meaning: "with delay, how long it is kept; if it may come in by then it does, else it is reset"},
	}
}

// clientDependences lists the settings that have no effect without a limit.
func (c *clientConfig) clientDependences() []dependence {
	refuses := c.lists() || c.ClientConns > 0 || c.ClientRate.N > 0
	return []dependence{
		{c.MinProgress > 0, "it has no effect without --min-progress", []string{"min-progress-over"}},
		{refuses, "nobody is turned away without --client-conns, --client-rate, --allow or --deny",
			[]string{"on-limit"}},
		{refuses && l4.Refusal(c.OnLimit) == l4.Delay, "nobody is kept without --on-limit delay",
			[]string{"limit-delay"}},
	}
}

// validateClients adds the faults of the settings for clients.
func (c *commandLine) validateClients() {
	cfg := c.config
	c.refuseUnread(cfg.clientDependences())
	if cfg.LimitDelay == 0 {
		c.refuse("limit-delay", "0 keeps nobody; write 1s, or --on-limit reset")
	}
	if cfg.MinProgress > 0 && time.Duration(cfg.MinProgressOver) < time.Second {
		c.refuse("min-progress-over", "%v is too short to tell a slow peer from a short pause; write 1s or more",
			cfg.MinProgressOver)
	}
	c.refuseRangesTwice("allow", cfg.Allow)
	c.refuseRangesTwice("deny", cfg.Deny)
}

func (c *commandLine) refuseRangesTwice(name string, all []addressRange) {
	seen := map[addressRange]bool{}
	for _, r := range all {
		if seen[r] {
			c.refuseOne(name, "%s is there twice", r)
		}
		seen[r] = true
	}
}
