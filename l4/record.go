package l4

import (
	"time"

	"forebay/pool"
)

// maxTries bounds how many tries one Record can hold, and so the Tries of a Server.
const maxTries = 16

// A Record is what became of one session. finish fills it and hands it to Server.Finished; it is used again for the
// next session as soon as that returns.
type Record struct {
	ID       uint64       // counts up from 1 since the process started
	Listener string       // as the operator named it
	Client   pool.Address // the client that a PROXY header names, if there was one
	Via      pool.Address // who sent that header; zero where none did
	Local    pool.Address // the address the client connected to; zero where nothing needed it
	Backend  string       // the name of the backend that was used, "" where none was connected
	Address  pool.Address // where that backend was reached

	Route      string  // the name of the route that its ClientHello led to, "" for the only one
	ServerName string  // the name that its ClientHello asked for (RFC 6066, section 3), "" where none was read
	ClientTLS  TLSInfo // zero where the client's TLS was not ended here
	BackendTLS TLSInfo // zero where no TLS was spoken to the backend

	Start time.Time     // when the connection was accepted, as the wall clock told it then
	Queue time.Duration // how long it waited for a backend with room
	// Connect is from the first pick to a connected backend, with failed tries; negative where none was connected.
	Connect   time.Duration
	FirstByte time.Duration // from the backend's connection to its first byte; negative where none came
	Total     time.Duration // from accept to close

	FromClient  uint64 // bytes read from the client
	FromBackend uint64 // bytes read from the backend
	ToBackend   uint64 // bytes the kernel took for the backend
	ToClient    uint64 // bytes the kernel took for the client

	ClientTCP  PathInfo
	BackendTCP PathInfo

	Tries    []Try  // every backend that was tried, the one that served last
	UniqueID string // the PROXY protocol UNIQUE_ID that the backend was given, "" where none was
	Cause    Cause
	Fault    string // what was wrong with the PROXY header or the ClientHello, where the client was refused for it
}

// Empty reports whether the session carried no byte either way, as a port scan or an upstream's health check does.
func (r *Record) Empty() bool { return r.FromClient == 0 && r.FromBackend == 0 }

// A Try is one attempt to connect to a backend.
type Try struct {
	Backend string
	Address pool.Address
	Result  pool.Outcome
	Took    time.Duration
	Fault   string // why its TLS handshake failed, where it did
}

// A TLSInfo is what TLS was spoken with one side.
type TLSInfo struct {
	Version     uint16        // tls.VersionTLS13; 0 where the handshake was not done
	CipherSuite uint16        // tls.TLS_AES_128_GCM_SHA256
	Protocol    string        // what ALPN agreed on, "" for nothing
	Subject     string        // the common name of the peer's certificate
	Resumed     bool          // an earlier TLS session was resumed (RFC 8446, section 2.2)
	ECH         bool          // Encrypted Client Hello was accepted
	Took        time.Duration // how long the handshake took
	Fault       string        // why the handshake failed, or what ended the connection later
}

// A PathInfo is what the kernel knew about one side's TCP connection when the session ended (tcp(7), TCP_INFO). It is
// zero for UNIX sockets.
type PathInfo struct {
	RTT         time.Duration // smoothed round trip time
	Retransmits uint32        // segments sent again over the whole connection
	// Unacked counts the bytes that the other side of the session sent and this side never acknowledged, with those
	// that are still held here. Over TLS it counts bytes of records.
	Unacked uint64
}
