package l4

import (
	"encoding/binary"
	"hash/crc32"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
	"golang.org/x/sys/unix"

	"forebay/pool"
)

// greet tells the backend who the client is, together with the client's first bytes where they are there already. Where
// the client is silent the header goes out alone: the server may be the one that speaks first.
func (s *session) greet() (stage, Cause) {
	server := s.loop.server
	if server.ProxyOut == ProxyOff || s.backend.layer != nil { // the header went before the handshake
		s.passFirst()
		return relaying, CauseNone
	}
	header, err := s.proxyHeader()
	if err != nil {
		return greeting, s.refuse(ProxyRefused, err) // what a trusted source sent along does not fit into our header
	}
	buf := append(append(s.loop.buf[:0], header...), s.up.held...)
	s.up.held, s.up.holding = nil, copied
	if room := buf[len(buf):cap(buf)]; s.client.readable && len(room) > 0 && s.client.next() == ordinary {
		n, errno := s.client.recv(room[:min(len(room), readSize)])
		n = max(n, 0)
		s.up.ended = s.client.ended || errno != 0 && errno != unix.EAGAIN
		s.up.read += uint64(n)
		s.remember(room[:n])
		buf = buf[:len(buf)+n]
	}
	s.up.header = int32(len(header))
	s.pass(&s.up, &s.backend, buf)
	return relaying, CauseNone
}

// passFirst sends what was read ahead.
func (s *session) passFirst() {
	if f := &s.up; f.holding == lent {
		first := f.held
		f.held, f.holding = nil, copied
		if !s.post(f, &s.client, &s.backend, first) {
			s.pass(f, &s.backend, first)
		}
	}
}

// proxyHeader builds the header (PROXY protocol specification, sections 2.1 and 2.2).
func (s *session) proxyHeader() ([]byte, error) {
	server, t := s.loop.server, s.traced()
	if t.local.IsZero() {
		t.local = localAddress(s.client.fd)
	}
	h := proxyAddresses(s, t.local)
	h.Version = byte(server.ProxyOut)
	if server.ProxyOut != ProxyV2 {
		return h.Format()
	}
	if tlvs := s.proxyTLVs(); len(tlvs) > 0 {
		if err := h.SetTLVs(tlvs); err != nil {
			return nil, err
		}
	}
	b, err := h.Format()
	if err == nil && server.ProxyTLV&ProxyCRC32C != 0 {
		sealProxyHeader(b)
	}
	return b, err
}

// proxyAddresses chooses the header's family for the pair of addresses: a mixed pair is written as IPv6, with the IPv4
// address mapped.
func proxyAddresses(s *session, local pool.Address) *proxyproto.Header {
	from, to := s.peer, local.TCP()
	switch {
	case s.listener.unix && !from.IsValid():
		if s.loop.server.ProxyOut == ProxyV1 { // the text header knows no UNIX sockets
			return &proxyproto.Header{Command: proxyproto.PROXY, TransportProtocol: proxyproto.UNSPEC}
		}
		return &proxyproto.Header{Command: proxyproto.PROXY, TransportProtocol: proxyproto.UnixStream,
			SourceAddr: &net.UnixAddr{Net: "unix"}, DestinationAddr: &net.UnixAddr{Net: "unix", Name: local.Path()}}
	case !from.IsValid() || !to.IsValid():
		return &proxyproto.Header{Command: proxyproto.PROXY, TransportProtocol: proxyproto.UNSPEC}
	}
	family := proxyproto.TCPv6
	if from.Addr().Is4() && to.Addr().Is4() {
		family = proxyproto.TCPv4
	}
	return &proxyproto.Header{Command: proxyproto.PROXY, TransportProtocol: family,
		SourceAddr: unzoned(from), DestinationAddr: unzoned(to)}
}

// unzoned returns a as package net has it, without a zone. A zone means something on this machine alone, and a header
// has no place for it.
func unzoned(a netip.AddrPort) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()))
}

// proxyTLVs returns the optional fields, the checksum last and still zero.
func (s *session) proxyTLVs() []proxyproto.TLV {
	selected := s.loop.server.ProxyTLV
	facts := s.facts()
	tlvs := facts.fields(selected)
	if selected&ProxyReceived != 0 {
		passed := passedOn(s.traced().tlvs, tlvs)
		if id := uniqueIDIn(passed); id != nil {
			s.traced().uniqueID = id // from now on it is the session's as well
		}
		tlvs = append(passed, tlvs...)
	}
	if selected&ProxyCRC32C != 0 {
		tlvs = append(tlvs, unsealed())
	}
	return tlvs
}

// facts gathers what is known of the client.
func (s *session) facts() clientFacts {
	server, t := s.loop.server, s.traced()
	f := clientFacts{serverName: t.serverName, namespace: server.namespace, extra: server.ProxyExtra}
	if server.ProxyTLV&ProxyUniqueID != 0 {
		f.uniqueID = s.uniqueID()
	}
	if l := s.client.layer; l != nil {
		state := l.conn.ConnectionState()
		f.tls, f.shown = &state, l.shown
	}
	return f
}

// uniqueID returns the session's ID, which is the same for each backend that is tried.
func (s *session) uniqueID() []byte {
	t := s.traced()
	if len(t.uniqueID) == 0 {
		t.uniqueID = s.loop.server.uniqueID()
	}
	return t.uniqueID
}

// uniqueID returns an ID that no other session has, on this machine or another: eight random bytes of the process and a
// count.
func (s *Server) uniqueID() []byte {
	return binary.BigEndian.AppendUint64(s.idPrefix[:len(s.idPrefix):len(s.idPrefix)], s.unique.Add(1))
}

// sealProxyHeader writes the checksum over the whole header into its last field (specification, section 2.2.3).
func sealProxyHeader(b []byte) {
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	binary.BigEndian.PutUint32(b[len(b)-crc32.Size:], sum)
}
