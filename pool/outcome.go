package pool

// An Outcome is how a lease ended. Lease.Done takes it, once.
type Outcome uint8

// The outcomes. Only Refused, TimedOut, TLSFailed, Unreachable and Died speak against the backend.
const (
	Served      Outcome = iota // connected, and the session was served
	Refused                    // the backend's machine refused the connection
	TimedOut                   // no answer within the connect timeout
	TLSFailed                  // connected, and the TLS handshake failed
	Unreachable                // no route, or a network error on the way
	Died                       // connected, then ended without a first byte though the client had sent some
	OwnFault                   // this machine lacked a descriptor, a port or memory: says nothing about the backend
	Abandoned                  // the client left, or another try won: says nothing about the backend
	outcomeCount
)

var outcomeNames = [outcomeCount]string{
	Served:      "connected",
	Refused:     "refused",
	TimedOut:    "timeout",
	TLSFailed:   "tls-failed",
	Unreachable: "unreachable",
	Died:        "died",
	OwnFault:    "own-fault",
	Abandoned:   "abandoned",
}

// String returns the name that logs and metrics use.
func (o Outcome) String() string {
	if o < outcomeCount {
		return outcomeNames[o]
	}
	return "unknown"
}

// provocable reports whether a client may have caused o: by a request on which servers close, or by what it negotiated
// in TLS, which is offered to the backend as well.
func (o Outcome) provocable() bool { return o == Died || o == TLSFailed }

// Failed reports whether o speaks against the backend.
func (o Outcome) Failed() bool {
	return o == Refused || o == TimedOut || o == TLSFailed || o == Unreachable || o == Died
}
