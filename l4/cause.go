package l4

// A Cause says who ended a session and how. Exactly one is given to each, by finish.
type Cause uint8

// The causes, in the order in which a session can meet them.
const (
	CauseNone Cause = iota // the session goes on

	// Before a backend was connected.
	ProxyRefused     // a trusted source sent no PROXY header, or an invalid one
	ProxyTimeout     // it did not send the whole header within the PROXY timeout
	Denied           // Access keeps the client out
	OverConns        // its source had as many sessions as it may have
	OverRate         // its source had begun as many sessions as it may for now
	HelloTimeout     // the client did not send all of its ClientHello within the hello timeout
	NotTLS           // the client did not begin with a ClientHello where one was needed
	NoRoute          // no pool serves what the client asks for
	HandshakeFailed  // the client's TLS handshake failed; the record says why
	HandshakeTimeout // the handshake was not done within the handshake timeout
	HandshakesFull   // too many handshakes waited to be begun, and this one had waited longest
	ClientLeft       // the client closed or reset while it waited for a backend
	QueueFull        // every backend was full and so was the queue
	QueueTimeout     // every backend stayed full for the queue timeout
	NoBackend        // the pool has no backend that may serve
	ConnectFailed    // every try failed; the tries say how
	OwnFault         // this process ran out of descriptors, ports or memory

	// Ended by one side.
	ClientClosed     // both sides finished, the client first
	BackendClosed    // both sides finished, the backend first
	ClientReset      // the client reset the connection
	BackendReset     // the backend reset the connection
	ClientTimeout    // the client stopped acknowledging (TCP_USER_TIMEOUT or keep-alive)
	BackendTimeout   // the backend stopped acknowledging
	ClientTruncated  // the client's stream ended without TLS's close_notify
	BackendTruncated // the backend's did
	ClientTLSFault   // after the handshake, the client sent a bad record or an alert
	BackendTLSFault  // the backend did

	// Ended by a limit.
	Idle        // no byte moved in either direction for the idle timeout
	HalfClosed  // one side had finished and the other stood still for the half-close timeout
	Lifetime    // the session reached its maximum lifetime
	ClientSlow  // the client took less than the least progress of what waited for it
	BackendSlow // the backend did
	BackendDown // its backend went down, and sessions were to go with it
	Drained     // concluded because its backend was drained
	Rebalanced  // concluded because its backend had more than its share
	Memory      // it held much of the memory that sessions may hold, when there was no more
	DrainCut    // still open when the drain timeout or a backend's drain ended
	Stopped     // still open when the process was told to stop at once
	InternalBug // a panic in this session's code; the stack is in the log
	causeCount  // how many there are
)

var causeNames = [causeCount]string{
	CauseNone:        "open",
	ProxyRefused:     "proxy-refused",
	ProxyTimeout:     "proxy-timeout",
	Denied:           "denied",
	OverConns:        "client-conns",
	OverRate:         "client-rate",
	HelloTimeout:     "hello-timeout",
	NotTLS:           "not-tls",
	NoRoute:          "no-route",
	HandshakeFailed:  "handshake-failed",
	HandshakeTimeout: "handshake-timeout",
	HandshakesFull:   "handshakes-full",
	ClientLeft:       "client-left",
	QueueFull:        "queue-full",
	QueueTimeout:     "queue-timeout",
	NoBackend:        "no-backend",
	ConnectFailed:    "connect-failed",
	OwnFault:         "own-fault",
	ClientClosed:     "client-closed",
	BackendClosed:    "backend-closed",
	ClientReset:      "client-reset",
	BackendReset:     "backend-reset",
	ClientTimeout:    "client-timeout",
	BackendTimeout:   "backend-timeout",
	ClientTruncated:  "client-truncated",
	BackendTruncated: "backend-truncated",
	ClientTLSFault:   "client-tls-fault",
	BackendTLSFault:  "backend-tls-fault",
	Idle:             "idle",
	HalfClosed:       "half-closed",
	Lifetime:         "lifetime",
	ClientSlow:       "client-slow",
	BackendSlow:      "backend-slow",
	BackendDown:      "backend-down",
	Drained:          "drained",
	Rebalanced:       "rebalanced",
	Memory:           "memory",
	DrainCut:         "drain-cut",
	Stopped:          "stopped",
	InternalBug:      "internal-bug",
}

// String returns the name that logs and metrics use.
func (c Cause) String() string {
	if c < causeCount {
		return causeNames[c]
	}
	return "unknown"
}

// Causes returns every cause that a session can end with, for documentation and metrics.
func Causes() []Cause {
	all := make([]Cause, 0, causeCount-1)
	for c := CauseNone + 1; c < causeCount; c++ {
		all = append(all, c)
	}
	return all
}

// Clean reports whether a session that ended so carried everything that both sides had to say.
func (c Cause) Clean() bool {
	switch c {
	case ClientClosed, BackendClosed, Drained, Rebalanced:
		return true
	}
	return false
}

// byBackend reports whether it was the backend that ended the session.
func (c Cause) byBackend() bool {
	switch c {
	case BackendClosed, BackendReset, BackendTimeout, BackendTruncated, BackendTLSFault:
		return true
	}
	return false
}
