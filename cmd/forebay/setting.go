package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// An origin says where a setting's value came from.
type origin uint8

const (
	fromDefault origin = iota
	fromEnvironment
	fromFlag
	fromArgument
)

func (o origin) String() string { return [...]string{"default", "environment", "flag", "argument"}[o] }

// A setting is one flag and its environment variable.
type setting struct {
	group   string // the group that help shows it in
	name    string
	short   string // a letter, or ""
	arg     string // help's word for the value; "" for a flag that needs none
	brief   string // the text in --help; "": not shown there
	meaning string
	shown   string // the default in words; "": the value as it would be written
	words   string // the values that completion offers, with spaces between; "": files
	value   value

	origin   origin
	rejected bool     // a value was faulty
	faults   *faults  // the fault of a value is added to these
	initial  []string // the default as it would be written
}

// The groups of settings.
const (
	groupListening  = "Listening"
	groupBackends   = "Backends"
	groupConnecting = "Connecting"
	groupLimits     = "Limits"
	groupProxying   = "PROXY protocol"
	groupClients    = "Clients"
	groupHealth     = "Health"
	groupTLS        = "TLS with clients"
	groupRoutes     = "Routes"
	groupBackendTLS = "TLS with backends"
	groupLogging    = "Logging"
	groupProcess    = "Process"
)

// A group is a group of settings, with its topic in help.
type group struct{ topic, title string }

// groups lists all groups, in the order of help.
func groups() []group {
	return []group{
		{"listening", groupListening},
		{"backends", groupBackends},
		{"connecting", groupConnecting},
		{"limits", groupLimits},
		{"proxy", groupProxying},
		{"clients", groupClients},
		{"health", groupHealth},
		{"tls", groupTLS},
		{"routes", groupRoutes},
		{"backend-tls", groupBackendTLS},
		{"logging", groupLogging},
		{"process", groupProcess},
	}
}

// settingsOf lists all settings, in the order of help. They set the fields of c.
func settingsOf(c *config) []*setting {
	return slices.Concat(trafficSettings(c), clientSettings(c), healthSettings(c), tlsSettings(c), processSettings(c))
}

// trafficSettings lists the settings for connections.
func trafficSettings(c *config) []*setting {
	return []*setting{
		{group: groupListening, name: "listen", short: "l", arg: "ADDR", value: many(&c.Listen),
			brief:   "where to accept; repeatable",
			meaning: "where to accept: :PORT, HOST:PORT or unix:PATH; repeatable"},
		{group: groupListening, name: "backlog", arg: "N", value: one(&c.Backlog),
			meaning: "connections that may wait to be accepted; auto: as many as net.core.somaxconn allows"},

		{group: groupBackends, name: "backend", short: "b", arg: "BACKEND", value: many(&c.Backends), shown: "none",
			meaning: "same as a BACKEND argument; repeatable"},
		{group: groupBackends, name: "policy", arg: "NAME", value: one(&c.Policy),
			words:   "round-robin least-conn random source first least-time",
			brief:   "least-conn, source, …",
			meaning: "round-robin, least-conn, random, source, first or least-time"},
		{group: groupBackends, name: "hash-load-factor", arg: "N", value: one(&c.LoadFactor),
			meaning: "with policy source, how many times its fair share a backend may carry; 0: any"},

		{group: groupConnecting, name: "connect-timeout", arg: "TIME", value: one(&c.ConnectTimeout),
			brief:   "how long one try may take",
			meaning: "how long one try may take"},
		{group: groupConnecting, name: "tries", arg: "N", value: one(&c.Tries),
			meaning: "different backends tried for one client"},
		{group: groupConnecting, name: "connect-budget", arg: "TIME", value: one(&c.ConnectBudget),
			shown:   "tries × connect-timeout",
			meaning: "how long all tries of one client may take"},
		{group: groupConnecting, name: "try-duration", arg: "TIME", value: one(&c.TryDuration), shown: "off",
			meaning: "when all tries have failed, let the client wait and try again, for so long in all"},
		{group: groupConnecting, name: "hedge-after", arg: "TIME", value: one(&c.HedgeAfter), shown: "off",
			meaning: "try a second backend when the first has not answered by then; who answers first wins"},
		{group: groupConnecting, name: "replay", arg: "SIZE", value: one(&c.Replay), shown: "off",
			meaning: "send up to this much of what a client said to another backend, when one dies before its first byte"},
		{group: groupConnecting, name: "source", arg: "IP", value: many(&c.Sources), shown: "the kernel's choice",
			meaning: "connect and check from this address; repeatable, used in turn"},

		{group: groupLimits, name: "max-conns", arg: "N", value: one(&c.MaxConns), shown: "from the file limit",
			brief:   "sessions at once",
			meaning: "sessions at once; more wait in the kernel's queue"},
		{group: groupLimits, name: "memory", arg: "SIZE", value: one(&c.Memory),
			meaning: "memory that this process may use, or off; auto: as its control group and the machine say"},
		{group: groupLimits, name: "queue", arg: "N", value: one(&c.Queue),
			meaning: "clients that may wait while all backends are full"},
		{group: groupLimits, name: "queue-timeout", arg: "TIME", value: one(&c.QueueTimeout),
			meaning: "how long one of them waits"},
		{group: groupLimits, name: "idle-timeout", arg: "TIME", value: one(&c.IdleTimeout),
			brief:   "end a session that stands still",
			meaning: "end a session that stood still for this time; 0: never"},
		{group: groupLimits, name: "half-close-timeout", arg: "TIME", value: one(&c.HalfCloseTimeout),
			meaning: "the same, once one side has finished; 0: never"},
		{group: groupLimits, name: "max-lifetime", arg: "TIME", value: one(&c.MaxLifetime), shown: "none",
			meaning: "end any session after this time"},
		{group: groupLimits, name: "lifetime-jitter", arg: "SHARE", value: one(&c.LifetimeJitter),
			meaning: "shorten each max-lifetime by chance, by up to this"},
		{group: groupLimits, name: "user-timeout", arg: "TIME", value: one(&c.UserTimeout),
			meaning: "give up a peer that acknowledges nothing for this time; 0: as the kernel does"},
		{group: groupLimits, name: "keep-alive", arg: "TIME", value: one(&c.KeepAlive),
			meaning: "probe a peer that was silent for this time; 0: never"},

		{group: groupProxying, name: "proxy-in", arg: "CIDR", value: many(&c.ProxyIn), shown: "none",
			meaning: "require a header, v1 or v2, from these sources and believe it; unix: on UNIX sockets; repeatable"},
		{group: groupProxying, name: "proxy-timeout", arg: "TIME", value: one(&c.ProxyTimeout),
			meaning: "how long that header may take to arrive"},
		{group: groupProxying, name: "proxy-out", arg: "VERSION", value: one(&c.ProxyOut), words: "v1 v2 off",
			brief:   "v1 or v2 tells who the client is",
			meaning: "tell backends who the client is, by a header: v1, v2 or off"},
		{group: groupProxying, name: "proxy-tlv", arg: "NAMES", value: many(&c.ProxyTLV),
			words: "alpn authority crc32c unique-id ssl client-cert netns", shown: "none",
			meaning: "fields to add to a v2 header: alpn, authority, crc32c, unique-id, ssl, client-cert and netns, with commas between; or one of your own, 0xE0=TEXT; repeatable"},
		{group: groupProxying, name: "proxy-pass-tlv", value: one(&c.ProxyPassTLV),
			meaning: "pass on the fields of the header that came in"},
	}
}

// processSettings lists the settings for logs and the process.
func processSettings(c *config) []*setting {
	return []*setting{
		{group: groupLogging, name: "log", arg: "FORMAT", value: one(&c.Log), words: "text json off auto",
			brief:   "access log: text, json, off",
			meaning: "access log as text or json, or off; auto: text on a terminal, else json"},
		{group: groupLogging, name: "log-file", arg: "PATH", value: one(&c.LogFile), shown: "standard output",
			brief:   "where to",
			meaning: "append the access log here; SIGHUP opens it anew"},
		{group: groupLogging, name: "log-empty", value: one(&c.LogEmpty),
			meaning: "log also sessions without a byte either way"},

		{group: groupProcess, name: "loops", arg: "N", value: one(&c.Loops),
			meaning: "event loops; auto: one, and more under load"},
		{group: groupProcess, name: "io-uring", arg: "USE", value: one(&c.IOUring), words: "auto off",
			meaning: "send by io_uring where the kernel has it (auto), or not (off)"},
		{group: groupProcess, name: "drain-timeout", arg: "TIME", value: one(&c.DrainTimeout),
			brief:   "how long SIGTERM waits for sessions",
			meaning: "how long SIGTERM waits for sessions"},
	}
}

// Set makes a setting the value of a cli.GenericFlag. It never returns an error, since the parser would stop at the
// first one: all faults are reported together later.
func (s *setting) Set(text string) error {
	s.enter(text, fromFlag)
	return nil
}

// String returns the value as it would be written.
func (s *setting) String() string { return strings.Join(s.value.texts(), " ") }

func (s *setting) enter(text string, from origin) {
	s.origin = from
	if s.mayBeOff() && (text == "off" || text == "none") {
		text = s.initial[0]
	}
	if err := s.value.set(text); err != nil {
		s.rejected = true
		s.faults.add(s.called(), cmp.Or(s.apart(text), err))
	}
}

// apart says how to write several values, if text is several with commas between; else it returns nil.
func (s *setting) apart(text string) error {
	parts := strings.Split(text, ",")
	if len(parts) < 2 || !s.value.repeatable() ||
		slices.ContainsFunc(parts, func(p string) bool { return !s.value.reads(p) }) {
		return nil
	}
	right := strings.Join(parts, " ")
	switch s.origin {
	case fromEnvironment:
		right = fmt.Sprintf("%s=%q", s.variable(), right)
	case fromFlag:
		right = "--" + s.name + " " + strings.Join(parts, " --"+s.name+" ")
	}
	return fmt.Errorf("%q holds %d values, with commas between; write %s", text, len(parts), right)
}

// called returns the operator's name for the setting, which depends on where its value came from.
func (s *setting) called() string {
	switch s.origin {
	case fromEnvironment:
		return s.variable()
	case fromArgument:
		return ""
	}
	return "--" + s.name
}

// variable returns the name of the environment variable.
func (s *setting) variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// given reports whether the operator has set it.
func (s *setting) given() bool { return s.origin != fromDefault }

// fallback returns the default as help shows it.
func (s *setting) fallback() string {
	if s.shown != "" {
		return s.shown
	}
	return strings.Join(s.initial, " ")
}

// mayBeOff reports whether help calls the default off or none. That word may then be written as the value.
func (s *setting) mayBeOff() bool {
	return len(s.initial) == 1 && (s.shown == "off" || s.shown == "none")
}

// flag returns the setting for the command line's parser. It has no short name there: see sort.
func (s *setting) flag() cli.Flag {
	return &cli.GenericFlag{Name: s.name, Category: s.group, Usage: s.meaning, Value: s}
}
