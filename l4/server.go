package l4

import (
	"log/slog"
	"net/netip"
	"time"

	"forebay/pool"
)

// A Server accepts sessions on listeners and relays each to a backend of a pool. Its exported fields are its
// configuration; they must not change once Serve is called. DefaultServer fills them with what a careful operator would
// choose. Where a field's comment gives 0 no meaning of its own, a time of 0 is over at once.
type Server struct {
	Route // where sessions go that none of Routes takes; without a Pool they are refused
	// Routes are routes by the ClientHello. nil: no session's first bytes are waited for, unless Route ends TLS or
	// ProxyAuthority wants the name.
	Routes *Routes

	// Loops is how many event loops run, at most MostLoops. 0: one, and more as load asks for them, up to GOMAXPROCS.
	Loops int
	// IOUring has a loop send the messages of a turn, and close its sockets, by one system call where the kernel allows
	// it (io_uring(7), Linux 5.12). Otherwise send(2) and close(2) are called for each.
	IOUring bool
	// MaxConns is how many sessions may exist at once; more wait in the kernel's accept queue. 0: what the descriptor
	// limit allows.
	MaxConns int
	// Buffers is how many bytes of memory all sessions together may hold, beyond what each costs in any case. When they
	// hold more, sessions that hold most of it and have no backend yet are reset. 0: no limit.
	Buffers int64

	ConnectTimeout time.Duration // one try
	ConnectBudget  time.Duration // all tries of one client together; 0: Tries × ConnectTimeout
	Tries          int           // different backends tried for one client, 1 to 16
	// TryDuration is for how long after the first try all backends are tried again, where all tries have failed. 0:
	// they are not tried again.
	TryDuration  time.Duration
	HedgeAfter   time.Duration // a second backend is tried beside one that has not answered for this long; 0: never
	QueueTimeout time.Duration // how long a client waits while every backend is full
	// Replay is how many bytes of a client are kept until its backend's first byte. If the backend dies before that,
	// they are sent to another one. 0: none.
	Replay  int
	Sources []netip.Addr // local addresses for connections to backends, used in turn; none: the kernel chooses

	IdleTimeout      time.Duration // neither direction moved; 0: no limit
	HalfCloseTimeout time.Duration // one side has finished and the other stands still; 0: no limit
	MaxLifetime      time.Duration // from accept; 0: no limit
	LifetimeJitter   float64       // each session's MaxLifetime is shortened by up to this share of it, 0 to 1
	// UserTimeout is how long a peer may acknowledge nothing before it is dead (TCP_USER_TIMEOUT). 0: the kernel's
	// rule.
	UserTimeout time.Duration
	// KeepAlive is after how long a silent peer is probed. One that answers no probe is dropped after UserTimeout, or
	// where that is 0 after three probes. 0: never.
	KeepAlive time.Duration

	OnDown    OnDown    // what becomes of the sessions of a backend that went down
	Rebalance Rebalance // whether live sessions are spread anew when a backend has joined, recovered or been resumed

	// ProxyIn are the sources that must send a PROXY header, and are believed. Other clients' bytes are not searched
	// for one.
	ProxyIn      []Range
	ProxyInUNIX  bool          // whoever connects to a listening UNIX socket must send one, too, and is believed
	ProxyTimeout time.Duration // from accept to the whole header

	// Handshakes is how many TLS handshakes are computed at once, with clients and backends together. Those that wait
	// for their peer do not count. 0: GOMAXPROCS.
	Handshakes       int
	HandshakeTimeout time.Duration // until a client's TLS handshake is done, from when its first bytes are wanted
	// HelloTimeout is, with Routes or ProxyAuthority, the time until the whole ClientHello is there, from the same
	// moment as HandshakeTimeout.
	HelloTimeout time.Duration

	// StrictBackendEOF mirrors a backend's FIN without close_notify as a reset. false: it is passed on as FIN, unless a
	// record is cut.
	StrictBackendEOF bool

	ProxyOut   ProxyVersion // which PROXY protocol header a backend gets
	ProxyTLV   ProxyTLV     // what a version 2 header carries beside the addresses
	ProxyExtra []ProxyField // further fields, the same in each session

	Limits Limits // how much one client may have

	// Finished is called with each session's Record, on the loop's goroutine: it must not block nor keep the Record.
	// nil: not called.
	Finished func(*Record)
	// Logger gets what concerns the process and not one session, such as a pause in accepting. nil: slog.Default.
	Logger *slog.Logger

	serverState
}

// A ProxyVersion is a version of the PROXY protocol, or none.
type ProxyVersion uint8

// The versions. The zero value sends no header.
const (
	ProxyOff ProxyVersion = iota
	ProxyV1               // the text header
	ProxyV2               // the binary header
)

// A ProxyTLV is a set of the optional fields of a version 2 header.
type ProxyTLV uint8

// The optional fields (PROXY protocol specification, sections 2.2.1 to 2.2.7). A session about which a field has
// nothing to say is told of without it.
const (
	ProxyCRC32C   ProxyTLV = 1 << iota // a checksum over the header (PP2_TYPE_CRC32C)
	ProxyUniqueID                      // a number for the session, also in its Record (PP2_TYPE_UNIQUE_ID)
	// ProxyReceived is the fields of a trusted source's header, without its checksum, its padding and the types that
	// are sent anyway.
	ProxyReceived
	ProxyALPN       // the protocol that TLS which ends here agreed on (PP2_TYPE_ALPN)
	ProxyAuthority  // the name in the client's ClientHello, which is waited for (PP2_TYPE_AUTHORITY)
	ProxySSL        // TLS that ends here: what was agreed on, and who showed what (PP2_TYPE_SSL)
	ProxyClientCert // within ProxySSL, all of the client's certificate (PP2_SUBTYPE_SSL_CLIENT_CERT)
	ProxyNetNS      // the name that ip-netns(8) has for this process's network namespace (PP2_TYPE_NETNS)
)

// DefaultServer returns a Server for p with the default of every limit.
func DefaultServer(p *pool.Pool) *Server {
	return &Server{
		Route:            Route{Pool: p},
		IOUring:          true,
		ConnectTimeout:   5 * time.Second,
		Tries:            3,
		QueueTimeout:     5 * time.Second,
		ProxyTimeout:     5 * time.Second,
		HandshakeTimeout: 10 * time.Second,
		HelloTimeout:     5 * time.Second,
		IdleTimeout:      time.Hour,
		HalfCloseTimeout: 5 * time.Minute,
		LifetimeJitter:   0.1,
		UserTimeout:      5 * time.Minute,
		KeepAlive:        time.Minute,
		Limits:           Limits{LimitDelay: time.Second},
	}
}
