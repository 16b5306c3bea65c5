package main

import (
	"net/netip"
	"time"

	"forebay/l4"
	"forebay/l4/handoff"
	"forebay/pool"
	"forebay/pool/health"
	"forebay/tls/profile"
)

// A config is all settings of a command line.
type config struct {
	Listen  []handoff.Spec
	Backlog autoCount // auto: net.core.somaxconn

	Backends   []pool.Spec
	Policy     pool.Policy
	LoadFactor factor // of the policy source; 0: no bound

	ConnectTimeout duration
	Tries          count
	ConnectBudget  duration // 0: Tries × ConnectTimeout
	TryDuration    duration // 0: all tries once
	HedgeAfter     duration // 0: never
	Replay         size     // 0: nothing
	Sources        []localIP

	MaxConns         autoCount // auto: as many as the descriptor limit and the memory allow
	Memory           memory    // auto: the limit of the control groups or of the machine
	Queue            count
	QueueTimeout     duration
	IdleTimeout      duration // 0: no limit, here and in the next two
	HalfCloseTimeout duration
	MaxLifetime      duration
	LifetimeJitter   share
	UserTimeout      duration // 0: the kernel's rule
	KeepAlive        duration // 0: never

	clientConfig

	Check          health.Check
	CheckInterval  duration
	CheckTimeout   duration
	Rise           count
	Fall           count
	Initial        health.Initial
	EjectAfter     count // 0: never, here and in the next two
	EjectShare     share
	EjectSlow      factor
	EjectHold      duration
	WhenAllDown    pool.WhenAllDown
	PanicThreshold share // 0: never
	EjectWaiting   duration
	SlowStart      duration
	OnDown         l4.OnDown
	DrainFile      text // "": none
	Rebalance      l4.Rebalance

	ProxyIn      []trusted
	ProxyTimeout duration
	ProxyOut     proxyVersion
	ProxyTLV     []proxyTLV
	ProxyPassTLV toggle

	TLSCerts         []text
	TLSKeys          []text // for the certificates whose files have no key, in order
	TLSStrictSNI     toggle
	TLSMinVersion    profile.Version
	ALPN             []protocol
	Handshakes       autoCount // auto: GOMAXPROCS
	HandshakeTimeout duration
	HelloTimeout     duration
	TLSTicketKeys    text // "": the process's own keys
	TLSClientCA      []text
	TLSClientCert    clientCert
	TLSClientAllow   []allowed
	TLSClientCRL     text
	TLSECHKeys       text

	Routes []route

	BackendTLS           toggle
	BackendCA            []text // none: the system's
	BackendSNI           hostName
	BackendCert          text
	BackendKey           text // "": in the file of the certificate
	BackendALPN          []protocol
	BackendTLSMinVersion profile.Version
	BackendTLSInsecure   toggle
	BackendTLSEOF        tlsEOF

	Log      logFormat
	LogFile  text // "": standard output
	LogEmpty toggle

	Loops        autoCount
	IOUring      kernelOption
	DrainTimeout duration
}

// defaultConfig returns the defaults: what a careful operator would choose. It has no backends.
func defaultConfig() *config {
	s, checks := l4.DefaultServer(nil), health.NewChecker(nil, nil)
	return &config{
		Listen:           []handoff.Spec{mustListen(":8080")},
		LoadFactor:       1.25,
		ConnectTimeout:   duration(s.ConnectTimeout),
		Tries:            count(s.Tries),
		Queue:            1024,
		QueueTimeout:     duration(s.QueueTimeout),
		IdleTimeout:      duration(s.IdleTimeout),
		HalfCloseTimeout: duration(s.HalfCloseTimeout),
		LifetimeJitter:   share(s.LifetimeJitter),
		UserTimeout:      duration(s.UserTimeout),
		KeepAlive:        duration(s.KeepAlive),
		clientConfig: clientConfig{MinProgressOver: duration(30 * time.Second),
			LimitDelay: duration(s.Limits.LimitDelay)},
		Check:            mustCheck("tcp"),
		CheckInterval:    duration(checks.Interval),
		CheckTimeout:     duration(checks.Timeout),
		Rise:             count(checks.Rise),
		Fall:             count(checks.Fall),
		EjectAfter:       5,
		EjectShare:       0.5,
		EjectHold:        duration(5 * time.Second),
		EjectWaiting:     duration(health.NewListeners(nil).Patience),
		SlowStart:        duration(10 * time.Second),
		ProxyTimeout:     duration(s.ProxyTimeout),
		HandshakeTimeout: duration(s.HandshakeTimeout),
		HelloTimeout:     duration(s.HelloTimeout),
		DrainTimeout:     duration(30 * time.Second),
	}
}

// mustListen parses a listen address that is written in this program. It panics on an error.
func mustListen(text string) handoff.Spec {
	var s handoff.Spec
	if err := s.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return s
}

// mustCheck parses a check that is written in this program. It panics on an error.
func mustCheck(text string) health.Check {
	c, err := health.ParseCheck(text)
	if err != nil {
		panic(err)
	}
	return c
}

// poolOptions returns the Options for a pool.
func (c *config) poolOptions() pool.Options {
	o := pool.Options{
		Policy:      c.Policy,
		Queue:       int(c.Queue),
		Ejection:    c.ejection(),
		Checks:      !c.Check.Off(),
		WhenAllDown: c.WhenAllDown,
		Panic:       float64(c.PanicThreshold),
		SlowStart:   time.Duration(c.SlowStart),
	}
	if c.Initial == health.InitialDown {
		o.Initial = pool.Down
	}
	if c.Policy == pool.Source {
		o.LoadFactor = float64(c.LoadFactor)
	}
	return o
}

// sources returns the local addresses for connections to backends; none: the kernel chooses.
func (c *config) sources() []netip.Addr {
	var all []netip.Addr
	for _, ip := range c.Sources {
		all = append(all, ip.Addr)
	}
	return all
}

// server returns a Server with the settings of c. The plan sets its routes and its MaxConns.
func (c *config) server() *l4.Server {
	s := l4.DefaultServer(nil)
	s.Loops = int(c.Loops)
	s.IOUring = c.IOUring == ""
	s.ConnectTimeout = time.Duration(c.ConnectTimeout)
	s.ConnectBudget = time.Duration(c.ConnectBudget)
	s.Tries = int(c.Tries)
	s.TryDuration = time.Duration(c.TryDuration)
	s.HedgeAfter = time.Duration(c.HedgeAfter)
	s.Replay = int(c.Replay)
	s.OnDown = c.OnDown
	s.Rebalance = c.Rebalance
	s.QueueTimeout = time.Duration(c.QueueTimeout)
	s.Sources = c.sources()
	s.IdleTimeout = time.Duration(c.IdleTimeout)
	s.HalfCloseTimeout = time.Duration(c.HalfCloseTimeout)
	s.MaxLifetime = time.Duration(c.MaxLifetime)
	s.LifetimeJitter = float64(c.LifetimeJitter)
	s.UserTimeout = time.Duration(c.UserTimeout)
	s.KeepAlive = time.Duration(c.KeepAlive)
	s.Limits = c.limits()
	s.ProxyOut = l4.ProxyVersion(c.ProxyOut)
	s.ProxyTLV, s.ProxyExtra = c.proxyTLVs()
	for _, t := range c.ProxyIn {
		if t.unix {
			s.ProxyInUNIX = true
			continue
		}
		s.ProxyIn = append(s.ProxyIn, t.Range)
	}
	s.ProxyTimeout = time.Duration(c.ProxyTimeout)
	s.Handshakes = int(c.Handshakes)
	s.StrictBackendEOF = c.BackendTLSEOF == eofStrict
	s.HandshakeTimeout = time.Duration(c.HandshakeTimeout)
	s.HelloTimeout = time.Duration(c.HelloTimeout)
	return s
}
