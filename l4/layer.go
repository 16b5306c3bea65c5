package l4

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A layer is TLS on top of a side's socket: a crypto/tls connection and the transport under it. The layer itself is
// that transport. While the handshake goes on its calls block; from then on the loop makes them.
//
// A read that finds nothing returns errDry, which crypto/tls takes for temporary: it goes on in the middle of a record
// when it is called again. A write always takes everything, as crypto/tls does not go on after a write that failed. The
// layer holds what the socket refuses, and the loop reads nothing more for this side until all of it is gone.
type layer struct {
	conn   *tls.Conn
	shake  *handshake // nil once it is done
	side   *side      // the side for which the loop makes the present call
	first  []byte     // what had been read from the peer before the handshake
	held   []byte     // records that the socket has not taken
	in     records    // the records that conn was given
	flags  int        // for send(2)
	poster *session   // whose records may be put down; nil: they are sent
	server *Server    // for its clock
	spent  int64      // ns that the last recv has computed, its first record not counted
	heavy  bool       // its side used much of its share when it was last read from
	idle   int        // bytes that conn was given since it last had data
	ended  bool       // the peer's FIN has been found
	untold bool       // the peer was not told of the fault
	bears  bool       // FIN between two records, without close_notify, counts as the end of the peer's stream
	cut    bool       // the peer's stream has ended so
	said   bool       // close_notify has been sent or is not to be: nothing may follow
	shown  shown      // how this end proved who it is
	took   int64      // ns that the handshake lasted
	why    error      // the fault that ended it
}

const (
	// heldMost is how much a layer may hold before nothing more is read from its peer, either. One record of the loop's
	// is far smaller. More comes together only for a peer that asks for answers and does not take them (a key update is
	// answered with a key update).
	heldMost = 64 << 10
	// recordsPerRead bounds how many records one read takes, however small they are. crypto/tls allows sixteen key
	// updates before each; such a record costs some 60 µs of a processor.
	recordsPerRead = 16
	// recvTime bounds how long one read computes.
	recvTime = turnTime / 8
	// idleMost is how much a peer may send behind the handshake without a byte of data: an incomplete record and some
	// tickets. crypto/tls keeps the part of a message that has come, and would wait for 256 KiB of one.
	idleMost = 2 * recordSize
	// recordSize is how much one record holds at most (RFC 8446, section 5.1).
	recordSize = 16 << 10
)

var (
	errDry       error = dry{}
	errTruncated       = errors.New("the connection ended without close_notify")
	errLost            = errors.New("the connection was lost right behind the handshake")
	errIdle            = errors.New("more than 32 KiB came behind the handshake that are no data")
)

// dry is a net.Error that says that nothing is there to be read now.
type dry struct{}

func (dry) Error() string   { return "nothing to read now" }
func (dry) Timeout() bool   { return false }
func (dry) Temporary() bool { return true }

// The faults of a side that no system call reports. No call on a connected socket returns these numbers.
const (
	faultTruncated = unix.ENODATA // FIN came without close_notify (RFC 8446, section 6.1)
	faultTLS       = unix.EPROTO  // a fatal alert, ours or the peer's
)

// recv reads what the peer has said into p, as side.recv does.
func (l *layer) recv(e *side, p []byte) (int, syscall.Errno) {
	if len(l.held) > heldMost {
		e.readable = false // until flush has made room
		return -1, unix.EAGAIN
	}
	l.side = e
	n, began := 0, int64(0)
	l.spent = 0
	for records := 0; n < len(p) && len(l.held) <= heldMost &&
		records < recordsPerRead && l.spent < recvTime; records++ {
		m, err := l.conn.Read(p[n:])
		n += m
		if m > 0 {
			l.idle = 0
		}
		switch {
		case err == nil && l.in.whole == 1 && n < len(p):
			if l.in.whole = 0; !e.readable && !l.ended {
				return n, 0 // there was one record only; asking for another costs as much as this one did
			}
		case err == nil && began == 0:
			began = l.server.clock()
		case err == nil:
			l.spent = l.server.clock() - began
		case err == errDry:
			l.in.whole = 0
			return orAgain(n)
		case err == errTruncated && l.bears && l.in.between() && !e.broken():
			// FIN. After a reset that another call has found the error is the same, but e is broken.
			l.cut, e.readable, e.ended = true, false, true
			return n, 0
		case err == io.EOF:
			e.readable, e.ended = false, true
			return n, 0
		case n > 0:
			e.readable = true // so that the error is returned next time
			return n, 0
		default:
			l.fail(e, err)
			return 0, syscall.Errno(e.fault)
		}
	}
	e.readable = true // more may stand in conn
	return n, 0
}

// orAgain returns what a read that finds nothing more returns after n bytes.
func orAgain(n int) (int, syscall.Errno) {
	if n == 0 {
		return -1, unix.EAGAIN
	}
	return n, 0
}

// fail records why conn can't go on. What the socket has said before counts, unless an alert stands before its reset. A
// peer that refuses a client's certificate says why and closes, and its kernel resets the connection as something was
// left unread.
func (l *layer) fail(e *side, err error) {
	switch {
	case err == errTruncated:
		e.breakDown(faultTruncated)
	case errors.Is(err, errIdle): // crypto/tls has sent no alert
		l.why, l.untold = err, true
		e.breakDown(faultTLS)
	case errors.As(err, new(syscall.Errno)):
		e.breakDown(faultTLS) // nearly always the socket is broken already, and this changes nothing
	default:
		l.why = err
		e.fault = 0
		e.breakDown(faultTLS)
	}
}

// lastWord makes fault tell why the connection was lost right behind the handshake. In TLS 1.3 a server refuses a
// client's certificate at that time, as the client has finished by then. The alert stands before the reset.
func (l *layer) lastWord(e *side, scratch []byte) {
	e.readable = true
	l.recv(e, scratch)
	if l.why == nil {
		l.why = errLost
	}
}

// send writes p, record by record, and returns how much was taken. Records of one call leave together (MSG_MORE).
func (l *layer) send(e *side, p []byte, flags int) (n int, errno syscall.Errno) {
	l.side = e
	for n < len(p) && len(l.held) == 0 {
		record := p[n:min(n+recordSize, len(p))]
		if l.flags = flags; n+len(record) < len(p) {
			l.flags |= unix.MSG_MORE
		}
		m, err := l.conn.Write(record)
		n += m
		if err != nil {
			l.fail(e, err)
			return n, syscall.Errno(e.fault)
		}
	}
	return n, 0
}

// flush hands what is held to the socket.
func (l *layer) flush(e *side) {
	if len(l.held) == 0 || !e.writable {
		return
	}
	n, _ := e.transmit(l.held, 0)
	if l.held = l.held[n:]; len(l.held) == 0 {
		l.held = nil
		e.readable = e.readable || !e.ended // recv may have been refused
	}
}

// part says close_notify, once, and reports whether the socket has taken all that was said. FIN must follow.
func (l *layer) part(e *side) bool {
	if !l.said {
		l.side, l.flags = e, unix.MSG_MORE
		if err := l.conn.CloseWrite(); err != nil {
			l.fail(e, err)
		}
		l.said = true
	}
	l.flush(e)
	return len(l.held) == 0
}

// mute holds close_notify back: FIN will come without it. Everything else must have been said.
func (l *layer) mute() {
	if l != nil {
		l.said = true
	}
}

// end leaves the socket to its owner, who is about to close it.
func (l *layer) end() {
	if l.shake != nil {
		l.shake.abandon()
	}
}

// fault returns what went wrong, "" where nothing has.
func (l *layer) fault() string {
	switch {
	case l == nil:
	case l.shake != nil && l.shake.err != nil:
		return l.shake.err.Error()
	case l.why != nil:
		return l.why.Error()
	}
	return ""
}

// info returns what was agreed on. It must not be called while the handshake goes on.
func (l *layer) info() TLSInfo {
	if l == nil {
		return TLSInfo{}
	}
	if l.shake != nil {
		return TLSInfo{Fault: l.fault()}
	}
	c := l.conn.ConnectionState()
	info := TLSInfo{Version: c.Version, CipherSuite: c.CipherSuite, Protocol: c.NegotiatedProtocol,
		Resumed: c.DidResume, ECH: c.ECHAccepted, Took: durationOf(l.took), Fault: l.fault()}
	if len(c.PeerCertificates) > 0 {
		info.Subject = c.PeerCertificates[0].Subject.CommonName
	}
	return info
}

// Read is for crypto/tls: it reads records from the socket.
func (l *layer) Read(p []byte) (int, error) {
	if len(l.first) > 0 {
		n := copy(p, l.first)
		l.first = l.first[n:]
		l.in.pass(p[:n])
		return n, nil
	}
	l.first = nil
	if l.shake != nil {
		n, err := l.shake.read(p)
		l.in.pass(p[:max(n, 0)])
		return n, err
	}
	e := l.side
	switch {
	case l.ended:
		return 0, errTruncated
	case !e.readable:
		return 0, errDry
	}
	n, errno := e.receive(p)
	if e.ended { // the socket's end, not that of the stream in it
		e.ended, l.ended = false, true
	}
	switch {
	case errno == unix.EAGAIN:
		return 0, errDry
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, errTruncated
	}
	if l.idle += n; l.idle > idleMost+len(p) {
		return 0, errIdle
	}
	l.in.pass(p[:n])
	return n, nil
}

// Write is for crypto/tls: it takes records for the socket. What crypto/tls itself says behind close_notify, such as
// the answer to a key update, is dropped (RFC 8446, section 6.1). Our FIN may have been sent by then, and the peer is
// still listened to.
func (l *layer) Write(p []byte) (int, error) {
	switch {
	case l.shake != nil:
		return l.shake.write(p)
	case l.said:
		return len(p), nil
	}
	n := 0
	if len(l.held) == 0 && !l.side.posted {
		if l.poster != nil && l.flags == 0 && l.poster.loop.outbox.put(l.poster, l.side, p) {
			return len(p), nil
		}
		var errno syscall.Errno
		if n, errno = l.side.transmit(p, l.flags); errno != 0 {
			return n, errno
		}
	}
	l.held = append(l.held, p[n:]...)
	return len(p), nil
}

// Close is for the interface net.Conn: the socket is its side's to close.
func (l *layer) Close() error { return nil }

// The deadlines are the loop's.
func (l *layer) SetDeadline(time.Time) error      { return nil }
func (l *layer) SetReadDeadline(time.Time) error  { return nil }
func (l *layer) SetWriteDeadline(time.Time) error { return nil }

// saw notes, for Witnessed, how this end proved who it is.
func (l *layer) saw(v shown) { l.shown = v }

// LocalAddr returns the socket's own address.
func (l *layer) LocalAddr() net.Addr { return netAddr(localAddress(l.socket())) }

// RemoteAddr returns the peer's address.
func (l *layer) RemoteAddr() net.Addr { return netAddr(remoteAddress(l.socket())) }

func (l *layer) socket() int32 {
	if l.shake != nil {
		return l.shake.fd
	}
	return l.side.fd
}
