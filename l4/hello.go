package l4

import (
	"crypto/tls"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"forebay/tls/sni"
)

// hear reads the client's ClientHello, which may come in any number of pieces, and chooses the route by it. Everything
// that is read stays with the client's bytes. Sessions for which there is one route only, and whose TLS is not ended
// here, never come to this stage: such a client may be waiting for its server to speak first.
func (s *session) hear() (stage, Cause) {
	hello, err := s.setup.hello.Parse(s.up.held)
	for errors.Is(err, sni.ErrMore) && s.client.readable {
		buf := s.loop.buf[:readSize]
		n, errno := s.client.recv(buf)
		s.up.keep(buf[:max(n, 0)])
		s.up.read = uint64(len(s.up.held))
		s.up.ended = s.client.ended || errno != 0 && errno != unix.EAGAIN
		hello, err = s.setup.hello.Parse(s.up.held)
	}
	switch {
	case err == nil:
		return s.choose(&hello)
	case !errors.Is(err, sni.ErrMore):
		return s.chooseBlindly(err)
	case s.up.ended && (len(s.up.held) == 0 || s.setup.route.TLS != nil):
		return hearing, ClientLeft
	case s.up.ended:
		return s.chooseBlindly(errCutHello)
	case s.loop.now >= s.hearUntil():
		return hearing, HelloTimeout
	}
	return hearing, CauseNone
}

// listen returns the stage of a client that is known. It is hearing, from now on, where the client's first bytes are
// needed to choose a backend.
func (s *session) listen(now int64) stage {
	if !s.loop.server.hears() {
		return picking
	}
	s.setup.heard = now
	return hearing
}

// hears reports whether ClientHellos are read: where they choose the route, where TLS ends here, and where backends are
// told the server name.
func (s *Server) hears() bool {
	return s.Routes != nil || s.TLS != nil || s.ProxyOut == ProxyV2 && s.ProxyTLV&ProxyAuthority != 0
}

// hearUntil is when the ClientHello must be there.
func (s *session) hearUntil() int64 {
	server := s.loop.server
	within := int64(server.HelloTimeout)
	if server.Routes == nil && server.TLS != nil {
		within = int64(server.HandshakeTimeout)
	}
	return s.setup.heard + within
}

// choose takes the route for a client whose hello is there.
func (s *session) choose(hello *sni.Hello) (stage, Cause) {
	t := s.traced()
	t.serverName = hello.ServerName
	if routes := s.loop.server.Routes; routes != nil {
		if hello.Odd {
			return s.turnAway(NoRoute, errOddName, sni.UnrecognizedName.Record())
		}
		if r := routes.find(hello); r != nil {
			s.setup.route = r
		}
	}
	t.route = s.setup.route
	switch {
	case t.route.Pool == nil:
		return hearing, NoRoute
	case t.route.TLS == nil:
		return picking, CauseNone
	}
	t.dotted = hello.Dotted
	first := s.up.held
	s.up.held, s.up.ended, s.client.ended = nil, false, false
	s.shake(&s.client, tls.Server, t.route.TLS, first)
	return securing, CauseNone
}

var (
	errCutHello = errors.New("the client's stream ended within its ClientHello")
	errOddName  = errors.New("the ClientHello names what is neither a DNS name nor an IP address")
)

// chooseBlindly is for a client that does not begin with a ClientHello; fault says what it sent. Where routes go by
// name, only a client that speaks no TLS takes the default route. A server may be able to read what we can't, and find
// a name in it that we would have sent elsewhere or refused.
func (s *session) chooseBlindly(fault error) (stage, Cause) {
	r := s.setup.route
	if r.Name != "" {
		s.traced().route = r
	}
	switch strange := errors.Is(fault, sni.ErrNotTLS); {
	case r.TLS != nil || s.loop.server.Routes != nil && !strange:
		return s.turnAway(NotTLS, fault, lastWord(fault))
	case r.Pool == nil:
		return hearing, s.refuse(NoRoute, fault)
	}
	return picking, CauseNone
}

// turnAway refuses a client because of why. The client is told so where there are words for it.
func (s *session) turnAway(why Cause, fault error, last []byte) (stage, Cause) {
	s.refuse(why, fault)
	if len(last) == 0 {
		return hearing, why
	}
	return s.dismiss(why, last)
}

// secure waits for the client's handshake. Nothing reaches a backend before it has succeeded.
func (s *session) secure() (stage, Cause) {
	l := s.client.layer
	switch done, err := l.shake.progress(&s.client); {
	case err != nil:
		return s.insecure(err)
	case done:
		s.up.read = 0 // what was read so far belonged to TLS
		return picking, CauseNone
	case s.loop.now >= s.secureUntil():
		l.shake.giveUp(errNoPlace)
		return securing, HandshakeTimeout
	}
	return securing, CauseNone
}

// secureUntil is when the client's handshake must be done.
func (s *session) secureUntil() int64 {
	return s.setup.heard + int64(s.loop.server.HandshakeTimeout)
}

// insecure ends a session whose client's handshake has failed. The cause is ClientLeft only where the client left
// without saying why.
func (s *session) insecure(err error) (stage, Cause) {
	if _, lost := errors.AsType[syscall.Errno](err); lost || errors.Is(err, errCut) {
		return securing, ClientLeft
	}
	if errors.Is(err, errDropped) {
		return securing, HandshakesFull
	}
	if errors.Is(err, errLong) { // crypto/tls has told the client nothing: a reset says more than FIN
		return securing, HandshakeFailed
	}
	if s.trace.dotted { // crypto/tls calls such a hello undecodable
		s.client.layer.shake.err = fmt.Errorf(
			"the client asks for %q: a name has no dot at its end in TLS (RFC 6066, section 3)", s.trace.serverName+".")
	}
	return s.dismiss(HandshakeFailed, nil)
}
