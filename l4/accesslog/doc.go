// Package accesslog writes one structured line for each session that ended.
//
// A line is a JSON object, or the same fields as key=value pairs for reading. The keys stand in this order, in every
// line. What does not apply to a session is null in JSON and left out of the text.
//
//	time                 when the connection was accepted, as the clock told it then: RFC 3339, UTC, microseconds
//	session              a number that counts up from 1 since the process started
//	cause                who ended the session and how; the names are those of l4.Cause
//	fault                what was wrong with the PROXY header or the ClientHello that the client was refused for
//	listener             the listen address as the operator wrote it
//	client               where the client connected from, by a trusted source's PROXY header where there was one
//	via                  who sent that header
//	local                the address the client connected to, where something needed to know it
//	route                the names of the route that the ClientHello led to, where there are several
//	server_name          the name that the ClientHello asked for, where one was read
//	backend              the name of the backend that was used
//	address              where that backend was reached
//	tries                every connect that was tried, in order: backend, address, result (a pool.Outcome), took, fault;
//	                     in text backend/result/took/fault, with a comma between two
//	queue                how long the session waited for a backend with room
//	connect              from the first pick to a connected backend, failed tries included
//	first_byte           from the backend's connection to its first byte
//	total                from accept to close
//	from_client          bytes read from the client
//	to_backend           bytes of them that the kernel took for the backend
//	from_backend         bytes read from the backend
//	to_client            bytes of them that the kernel took for the client
//	client_rtt           smoothed round trip time to the client, for TCP
//	client_retransmits   segments sent again to the client
//	client_unacked       bytes from the backend that the client never acknowledged
//	backend_rtt          the same three for the backend; bytes from the client in backend_unacked
//	backend_retransmits
//	backend_unacked
//	client_tls           what TLS was spoken with the client: version, cipher, alpn, resumed, ech, subject, handshake,
//	                     fault; in text each is a field: client_tls_version
//	backend_tls          the same for the backend
//	unique_id            the PROXY protocol UNIQUE_ID that the backend was given
//
// Texts that a client or a backend has a part in, all but listener, route and backend, take MostText bytes at most as
// they are written; a longer one ends in an ellipsis. What can't be printed is escaped. Beside the three a line has 16
// KiB at most.
//
// Times are seconds with six decimals, sizes are bytes. Where lines had to be dropped, the next line that could be
// written has but two keys: time, and lost, which is how many are missing.
//
// A session without a byte either way, as a port scan's or an upstream's health check's, is logged only on request. A
// client that got no backend is logged even if it said nothing, unless it left by itself, and so is a session that a
// fault of TLS ended.
package accesslog
