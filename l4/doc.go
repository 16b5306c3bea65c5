// Package l4 is the data plane: one session from accept to close, on event loops.
//
// A session is data that walks through these files in order:
//
//  1. accept.go   a connection is counted, taken off a listener's queue and given a session
//  2. session.go  step carries it from stage to stage; a stage that must wait is called again
//  3. identify.go from a trusted source, the PROXY header is read that names the client
//  4. admit.go    where clients are limited, this one is let in or turned away
//  5. hello.go    where a rule needs it, the ClientHello is read, the route chosen, and the client's TLS handshake
//     waited for; dismiss.go tells a client why it is refused
//  6. pick.go     the pool chooses a backend, or the session waits in the pool's queue
//  7. dial.go     it is connected to (connect.go), or the next one is; a slow try may be hedged; again.go waits and
//     tries all once more
//  8. greet.go    the PROXY header goes out with the client's first bytes
//  9. relay.go    bytes move both ways, copied or spliced, and the end of each flow is forwarded; conclude.go brings
//     that about where a session must go
//  10. deliver.go after a reset, what had been read still reaches the other side
//  11. finish.go  both sockets are closed, the lease ends, the Record is handed over
//
// Under the walk: side.go is one socket of a session, release.go the only way to close, keep or move it, ref.go how a
// session is found again, socket.go what becomes of a backend's, ports.go how one may meet itself, layer.go the TLS on
// top of it, records.go how that is cut, handshake.go how it begins, places.go where that is computed, tidier.go what
// that leaves behind, route.go where sessions go, flow.go one direction, pipe.go what splice needs, urgent.go the odd
// byte with a mark. loop.go turns; poller.go sleeps; wheel.go keeps the clocks; balance.go spreads sessions over loops,
// idle.go tells whether the machine has room for one more. server.go is the configuration, listener.go what it accepts
// from, serve.go the life of the whole, guard.go and pause.go what tells dead peers from paused ones, unpace.go what
// loopback needs not, limit.go how many sessions fit, memory.go what they hold and budget.go how much that may be,
// sys.go the system calls.
//
// Of what Limits say, access.go knows who may connect, range.go which addresses are in a range, sources.go counts
// sessions by where they come from, rate.go has the arithmetic, throttle.go keeps flows to their bandwidth, progress.go
// finds peers that take too little.
//
// Small messages leave together: outbox.go puts them down, ring.go sends them. replay.go tells a second backend what a
// first one died of.
//
// Sessions go where operators and checks want them: drain.go empties a backend, rebalance.go and rebalancer.go spread
// live sessions anew, ondown.go says what a backend's fall does to them; sweep.go finds them all.
//
// What becomes known: record.go of a session, cause.go why it ended, snapshot.go of the whole, complaint.go what this
// machine lacks, wall.go what the wall clock showed.
//
// Of what the PROXY header says, proxyfield.go has the optional fields, proxyssl.go the one about TLS, tlsname.go the
// names in it, shown.go which certificate the client saw, netns.go where the network is.
package l4
