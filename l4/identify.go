package l4

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
	"strings"

	"github.com/pires/go-proxyproto"
	"golang.org/x/sys/unix"

	"forebay/pool"
)

// identify reads the PROXY header with which a trusted source says for whom it speaks. The header may come in any
// number of pieces. What follows it is the client's first bytes. A trusted source must send one: anything else ends the
// session.
func (s *session) identify() (stage, Cause) {
	for s.client.readable {
		buf := s.loop.buf[:readSize]
		n, errno := s.client.recv(buf)
		s.up.keep(buf[:max(n, 0)])
		switch size, err := proxyHeaderSize(s.up.held); {
		case err != nil:
			return identifying, s.refuse(ProxyRefused, err)
		case size > 0:
			return s.identified(size)
		}
		if s.client.ended || errno != 0 && errno != unix.EAGAIN {
			return identifying, ClientLeft
		}
	}
	if s.loop.now >= s.began+int64(s.loop.server.ProxyTimeout) {
		return identifying, ProxyTimeout
	}
	return identifying, CauseNone
}

// refuse returns why, and has the Record tell what was wrong with what the client has sent.
func (s *session) refuse(why Cause, fault error) Cause {
	s.traced().fault = fault
	return why
}

// trusts reports whether a PROXY header is required from peer, who came to ln. The peer of a UNIX socket has no
// address: there the listener decides.
func (s *Server) trusts(ln *listener, peer netip.AddrPort) bool {
	if ln.unix {
		return s.ProxyInUNIX
	}
	for _, p := range s.ProxyIn {
		if p.Contains(peer.Addr()) {
			return true
		}
	}
	return false
}

// identified takes the complete header off the client's bytes and believes it.
func (s *session) identified(size int) (stage, Cause) {
	in, err := parseProxyHeader(s.up.held[:size])
	if err != nil {
		return identifying, s.refuse(ProxyRefused, err)
	}
	rest := s.up.held[size:]
	s.up.read = uint64(len(rest))
	s.up.ended = s.client.ended
	if len(rest) == 0 {
		rest = nil
	}
	s.up.held = rest
	t := s.traced()
	t.via, t.tlvs = pool.TCPAddress(s.peer), in.tlvs
	if in.source.IsValid() {
		s.peer, t.local = in.source, pool.TCPAddress(in.destination) // the zero Address where it is not known
	}
	return s.known(s.loop.now), CauseNone
}

// An introduction is what a PROXY header says. Where the header names no addresses that Forebay could use, its
// addresses are not valid, and those of the connection stand.
type introduction struct {
	source, destination netip.AddrPort
	tlvs                []proxyproto.TLV
}

// Sizes of the PROXY protocol (specification, sections 2.1 and 2.2).
const (
	proxyV1Most      = 107 // with its CRLF
	proxyV2Fixed     = 16  // signature, version and command, family, length
	proxyV2CommandAt = 12
	proxyV2FamilyAt  = 13
	proxyV2LengthAt  = 14
)

var errNoProxyHeader = errors.New("no PROXY header")

// proxyHeaderSize returns the size of the header that b begins with, or 0 while more of it has to come. It returns an
// error as soon as b can't be the beginning of a header.
func proxyHeaderSize(b []byte) (int, error) {
	const v1 = "PROXY "
	switch {
	case len(b) == 0:
		return 0, nil
	case startsAlike(b, []byte(v1)):
		if end := bytes.IndexByte(b[:min(len(b), proxyV1Most)], '\n'); end >= 0 {
			return end + 1, nil
		}
		if len(b) >= proxyV1Most {
			return 0, fmt.Errorf("%w: no line end within %d bytes", errNoProxyHeader, proxyV1Most)
		}
		return 0, nil
	case !startsAlike(b, proxyproto.SIGV2):
		return 0, errNoProxyHeader
	case len(b) < proxyV2Fixed:
		return 0, nil
	}
	size := proxyV2Fixed + int(binary.BigEndian.Uint16(b[proxyV2LengthAt:]))
	if len(b) < size {
		return 0, nil
	}
	return size, nil
}

// startsAlike reports whether b and want are the same for the length of the shorter.
func startsAlike(b, want []byte) bool {
	n := min(len(b), len(want))
	return bytes.Equal(b[:n], want[:n])
}

// parseProxyHeader reads one whole header. It refuses a header that no sender which keeps to the specification can have
// sent.
func parseProxyHeader(b []byte) (introduction, error) {
	switch {
	case isUnknownV1(b):
		return introduction{}, nil
	case b[0] != proxyproto.SIGV2[0]:
		return parseText(b)
	case b[proxyV2CommandAt] == byte(proxyproto.LOCAL):
		// The sender speaks for itself. The rest is ignored, also family and transport (section 2.2).
		return introduction{}, nil
	}
	addresses := proxyV2Fixed
	if b[proxyV2CommandAt] == byte(proxyproto.PROXY) {
		addresses += addressesSize(proxyproto.AddressFamilyAndProtocol(b[proxyV2FamilyAt]))
	}
	if addresses > len(b) {
		return introduction{}, proxyproto.ErrInvalidLength
	}
	in, err := parseAddresses(withoutRest(b[:addresses]))
	if err != nil {
		return introduction{}, err
	}
	if in.tlvs, err = proxyproto.SplitTLVs(b[addresses:]); err != nil {
		return introduction{}, err
	}
	if id := uniqueIDIn(in.tlvs); len(id) > mostUniqueID {
		return introduction{}, fmt.Errorf("a UNIQUE_ID of %d bytes, want %d at most", len(id), mostUniqueID)
	}
	return in, checkProxySum(b, addresses)
}

// mostUniqueID is how long a UNIQUE_ID may be (section 2.2.5).
const mostUniqueID = 128

// uniqueIDIn returns the longest UNIQUE_ID among fields, of which there should be one at most; nil for none.
func uniqueIDIn(fields []proxyproto.TLV) (id []byte) {
	for _, f := range fields {
		if f.Type == proxyproto.PP2_TYPE_UNIQUE_ID && len(f.Value) >= len(id) {
			id = f.Value
		}
	}
	return id
}

// withoutRest returns the beginning of a version 2 header as a header of its own. The library is given the addresses
// alone: it refuses more than 4 KiB behind them unless a variable of its package is changed.
func withoutRest(b []byte) []byte {
	short := bytes.Clone(b)
	binary.BigEndian.PutUint16(short[proxyV2LengthAt:], uint16(len(b)-proxyV2Fixed))
	return short
}

// addressesSize is how many bytes the addresses of a family take (section 2.2).
func addressesSize(f proxyproto.AddressFamilyAndProtocol) int {
	switch {
	case f.IsIPv4():
		return 2*4 + 2*2
	case f.IsIPv6():
		return 2*16 + 2*2
	case f.IsUnix():
		return 2 * 108
	}
	return 0
}

// parseAddresses reads a header that has addresses and nothing behind them.
func parseAddresses(b []byte) (introduction, error) {
	if isNameless(b) {
		return introduction{}, nil
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b), len(b)))
	switch {
	case err != nil:
		return introduction{}, err
	case !h.TransportProtocol.IsStream():
		return introduction{}, fmt.Errorf("family and transport %#x are not those of a stream",
			byte(h.TransportProtocol))
	}
	source, _ := h.SourceAddr.(*net.TCPAddr)
	destination, _ := h.DestinationAddr.(*net.TCPAddr)
	if source == nil || destination == nil {
		return introduction{}, nil // of a UNIX socket
	}
	return introduction{source: plain(source), destination: plain(destination)}, nil
}

// parseText reads a text header. By the specification both addresses are of one family. But each address says what it
// is, and nginx writes what it has: it may listen on IPv4, or on a UNIX socket, and have been told of an IPv6 client.
func parseText(b []byte) (introduction, error) {
	fields := strings.Split(string(b), " ") // PROXY, family, two addresses, two ports
	if len(fields) != 6 || fields[1] != "TCP4" && fields[1] != "TCP6" {
		return parseAddresses(b)
	}
	if strings.HasPrefix(fields[3], "unix:") {
		fields[3] = fields[2]
		in, err := parseAddresses([]byte(strings.Join(fields, " ")))
		return introduction{source: in.source}, err
	}
	source, err := netip.ParseAddr(fields[2])
	destination, err2 := netip.ParseAddr(fields[3])
	if err == nil && err2 == nil && source.Is4() != destination.Is4() && source.Zone()+destination.Zone() == "" {
		fields[1], fields[2], fields[3] = "TCP6", mapped(source).String(), mapped(destination).String()
	}
	return parseAddresses([]byte(strings.Join(fields, " ")))
}

// mapped returns ip as an IPv6 address.
func mapped(ip netip.Addr) netip.Addr { return netip.AddrFrom16(ip.As16()) }

// isNameless reports whether b is a version 2 header of the command PROXY and the family UNSPEC: the sender vouches for
// the connection and can't say whom it is from. The specification leaves it to the receiver to accept that.
func isNameless(b []byte) bool {
	return len(b) >= proxyV2Fixed && b[0] == proxyproto.SIGV2[0] && b[proxyV2CommandAt] == byte(proxyproto.PROXY) &&
		b[proxyV2FamilyAt] == byte(proxyproto.UNSPEC)
}

// isUnknownV1 reports whether b is a text header of the protocol UNKNOWN. Everything between that word and the end of
// the line is to be ignored (section 2.1).
func isUnknownV1(b []byte) bool {
	rest, ok := bytes.CutPrefix(b, []byte("PROXY UNKNOWN"))
	return ok && bytes.HasSuffix(rest, []byte("\r\n")) && (rest[0] == ' ' || len(rest) == len("\r\n"))
}

// plain returns a as an AddrPort; an IPv4 address is not mapped into IPv6.
func plain(a *net.TCPAddr) netip.AddrPort {
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// checkProxySum verifies the checksum of a version 2 header, where it has one. The fields begin at fields and are
// whole. The checksum is CRC32C over all of the header, with its own bytes taken as zero (section 2.2.3).
func checkProxySum(b []byte, fields int) error {
	const head = 3 // type and length
	for at := fields; at < len(b); {
		size := int(binary.BigEndian.Uint16(b[at+1:]))
		if proxyproto.PP2Type(b[at]) == proxyproto.PP2_TYPE_CRC32C {
			return checkSumAt(b, at+head, size)
		}
		at += head + size
	}
	return nil
}

func checkSumAt(b []byte, at, size int) error {
	if size != crc32.Size {
		return fmt.Errorf("a checksum of %d bytes, want %d", size, crc32.Size)
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, b[:at])
	sum = crc32.Update(sum, table, make([]byte, crc32.Size))
	sum = crc32.Update(sum, table, b[at+crc32.Size:])
	if got := binary.BigEndian.Uint32(b[at:]); got != sum {
		return fmt.Errorf("checksum %#x, want %#x", got, sum)
	}
	return nil
}
