package main

// healthSettings lists what can be said about finding out which backends are up, in the order of --help.
func healthSettings(c *config) []*setting {
	return []*setting{
		{group: groupHealth, name: "check", arg: "CHECK", value: one(&c.Check), shown: "tcp, or tls with backend-tls",
			meaning: "how to ask backends whether they are up: tcp, tls, http://…, redis, postgres, mysql, smtp, send:… and expect:…, exec:COMMAND, or off"},
		{group: groupHealth, name: "check-interval", arg: "TIME", value: one(&c.CheckInterval),
			meaning: "how often; four times as often in doubt"},
		{group: groupHealth, name: "check-timeout", arg: "TIME", value: one(&c.CheckTimeout),
			meaning: "how long an answer may take"},
		{group: groupHealth, name: "rise", arg: "N", value: one(&c.Rise),
			meaning: "checks in a row that must pass for a backend to be up again"},
		{group: groupHealth, name: "fall", arg: "N", value: one(&c.Fall),
			meaning: "checks in a row that must fail for it to be down"},
		{group: groupHealth, name: "initial", arg: "STATE", value: one(&c.Initial),
			meaning: "what a backend is at first: up or down, or check: up, and the first check decides"},
		{group: groupHealth, name: "eject-after", arg: "N", value: one(&c.EjectAfter),
			meaning: "hold back a backend after so many sessions in a row that failed to connect or had no answer; 0: never"},
		{group: groupHealth, name: "eject-share", arg: "SHARE", value: one(&c.EjectShare),
			meaning: "the same when so many of 20 or more sessions within 10s failed; 0%: never"},
		{group: groupHealth, name: "eject-slow", arg: "N", value: one(&c.EjectSlow), shown: "off",
			meaning: "the same when it takes N times the median of all backends, to connect or to the first byte, for 30s"},
		{group: groupHealth, name: "eject-waiting", arg: "TIME", value: one(&c.EjectWaiting),
			meaning: "hold back a backend on loopback that lets in nobody for so long while clients wait, as the kernel tells; 0: do not look"},
		{group: groupHealth, name: "eject-hold", arg: "TIME", value: one(&c.EjectHold),
			meaning: "for how long, the first time; each next time is twice as long"},
		{group: groupHealth, name: "when-all-down", arg: "WHAT", value: one(&c.WhenAllDown),
			meaning: "try them all the same, or refuse sessions"},
		{group: groupHealth, name: "panic-threshold", arg: "SHARE", value: one(&c.PanicThreshold), shown: "off",
			meaning: "use all backends when fewer than this are up"},
		{group: groupHealth, name: "slow-start", arg: "TIME", value: one(&c.SlowStart),
			meaning: "how long a backend that is back takes to come to its full share; 0: at once"},
		{group: groupHealth, name: "on-down", arg: "WHAT", value: one(&c.OnDown),
			meaning: "keep the sessions of a backend that went down, drain or reset them"},
		{group: groupHealth, name: "rebalance", arg: "RULE", value: one(&c.Rebalance),
			meaning: "spread sessions anew when a backend is back: factor=1.5,rate=10, to see first what it would do with dry-run; or off"},
	}
}
