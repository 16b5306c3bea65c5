package l4

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"io"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"forebay/l4/l4test"
	"forebay/pool"
)

// v2 makes a version 2 header of a command and family byte, addresses and fields.
func v2(command, family byte, rest ...[]byte) string {
	body := bytes.Join(rest, nil)
	b := append(bytes.Clone(proxyproto.SIGV2), command, family)
	return string(append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...))
}

func tlv(kind byte, value string) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value))), value...)
}

// sealed fills in the checksum of a header whose last field is one.
func sealed(header string) string {
	b := []byte(header)
	sealProxyHeader(b)
	return string(b)
}

var (
	inet4   = []byte{192, 0, 2, 1, 198, 51, 100, 2, 0x10, 0xe1, 0, 80}
	inet6   = append(append(netip.MustParseAddr("2001:db8::1").AsSlice(), netip.MustParseAddr("2001:db8::2").AsSlice()...), 0x10, 0xe1, 0, 80)
	mapped6 = append(append(netip.MustParseAddr("::ffff:192.0.2.1").AsSlice(), netip.MustParseAddr("::ffff:198.51.100.2").AsSlice()...), 0x10, 0xe1, 0, 80)
	paths   = make([]byte, 216)
)

const full6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

// proxyVectors are headers and the source each names: "" where the connection's own stands, "refused" where it must not
// be believed.
var proxyVectors = []struct{ name, header, source string }{
	{"v1 TCP4", "PROXY TCP4 192.0.2.1 198.51.100.2 4321 80\r\n", "192.0.2.1:4321"},
	{"v1 TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 4321 80\r\n", "[2001:db8::1]:4321"},
	{"v1 of the least length", "PROXY TCP4 1.1.1.1 2.2.2.2 0 0\r\n", "1.1.1.1:0"},
	{"v1 TCP4 of the most length", "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535"},
	{"v1 TCP6 of the most length", "PROXY TCP6 " + strings.Repeat(full6+" ", 2) + "65535 65535\r\n", "[" + full6 + "]:65535"},
	{"v1 IPv4 mapped into IPv6", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 4321 80\r\n", "192.0.2.1:4321"},
	{"v1 UNKNOWN", "PROXY UNKNOWN\r\n", ""},
	{"v1 UNKNOWN of the most length with addresses", "PROXY UNKNOWN " + strings.Repeat(full6+" ", 2) + "65535 65535\r\n", ""},
	{"v1 UNKNOWN with anything", "PROXY UNKNOWN ffff:f...f:ffff 1 \x00 what ever\r\n", ""},
	{"v1 UNKNOWN of 107 bytes", "PROXY UNKNOWN " + strings.Repeat("x", 107-16) + "\r\n", ""},
	{"v1 too long", "PROXY UNKNOWN " + strings.Repeat("x", 108-16) + "\r\n", "refused"},
	{"v1 without CR", "PROXY TCP4 192.0.2.1 198.51.100.2 4321 80\n", "refused"},
	{"v1 port too large", "PROXY TCP4 192.0.2.1 198.51.100.2 65536 80\r\n", "refused"},
	{"v1 port with a zero before it", "PROXY TCP4 192.0.2.1 198.51.100.2 04321 80\r\n", "refused"},
	{"v1 port below zero", "PROXY TCP4 192.0.2.1 198.51.100.2 -1 80\r\n", "refused"},
	{"v1 port with a sign", "PROXY TCP4 192.0.2.1 198.51.100.2 +80 80\r\n", "refused"},
	{"v1 port without digits", "PROXY TCP4 192.0.2.1 198.51.100.2  80\r\n", "refused"},
	{"v1 two blanks", "PROXY TCP4  192.0.2.1 198.51.100.2 4321 80\r\n", "refused"},
	{"v1 blank at the end", "PROXY TCP4 192.0.2.1 198.51.100.2 4321 80 \r\n", "refused"},
	{"v1 tabulator", "PROXY\tTCP4 192.0.2.1 198.51.100.2 4321 80\r\n", "refused"},
	{"v1 in lower case", "proxy TCP4 192.0.2.1 198.51.100.2 4321 80\r\n", "refused"},
	{"v1 CR within", "PROXY TCP4 192.0.2.1 198.51.100.2\r4321 80\r\n", "refused"},
	{"v1 nothing more", "PROXY \r\n", "refused"},
	{"v1 address with a zero before it", "PROXY TCP4 192.0.02.1 198.51.100.2 4321 80\r\n", "refused"},
	{"v1 address of three parts", "PROXY TCP4 192.0.1 198.51.100.2 4321 80\r\n", "refused"},
	{"v1 address with a zone", "PROXY TCP6 fe80::1%eth0 2001:db8::2 4321 80\r\n", "refused"},
	{"v1 IPv4 in TCP6", "PROXY TCP6 192.0.2.1 198.51.100.2 4321 80\r\n", "refused"},
	{"v1 IPv6 to IPv4", "PROXY TCP6 2001:db8::1 127.0.0.1 4321 80\r\n", "[2001:db8::1]:4321"},
	{"v1 IPv4 to IPv6", "PROXY TCP4 192.0.2.1 2001:db8::2 4321 80\r\n", "192.0.2.1:4321"},
	{"v1 IPv4 to IPv6, by the other name", "PROXY TCP6 192.0.2.1 2001:db8::2 4321 80\r\n", "192.0.2.1:4321"},
	{"v1 IPv6 mapped to IPv4", "PROXY TCP6 ::ffff:192.0.2.1 198.51.100.2 4321 80\r\n", "192.0.2.1:4321"},
	{"v1 to a UNIX socket", "PROXY TCP6 2001:db8::1 unix:/run/nginx.sock 4321 0\r\n", "[2001:db8::1]:4321"},
	{"v1 from a UNIX socket", "PROXY TCP6 unix:/run/nginx.sock 2001:db8::1 4321 0\r\n", "refused"},
	{"v1 mixed, with a zone", "PROXY TCP6 fe80::1%eth0 127.0.0.1 4321 80\r\n", "refused"},
	{"v1 mixed, a port too large", "PROXY TCP6 2001:db8::1 127.0.0.1 65536 80\r\n", "refused"},
	{"v1 address out of range", "PROXY TCP4 192.0.2.256 198.51.100.2 4321 80\r\n", "refused"},
	{"v1 addresses of the other family", "PROXY TCP4 2001:db8::1 2001:db8::2 4321 80\r\n", "refused"},
	{"v1 unknown protocol", "PROXY UDP4 192.0.2.1 198.51.100.2 4321 80\r\n", "refused"},
	{"v1 word that only begins so", "PROXY UNKNOWNS\r\n", "refused"},
	{"v1 UNKNOWN and a CR", "PROXY UNKNOWN\rx\r\n", "refused"},
	{"v1 with the bytes of v2 UNSPEC in it", "PROXY UDP2.\x00!\x00\r\n", "refused"},
	{"v1 a field too many", "PROXY TCP4 192.0.2.1 198.51.100.2 4321 80 1\r\n", "refused"},
	{"v2 IPv4", v2(0x21, 0x11, inet4), "192.0.2.1:4321"},
	{"v2 IPv6", v2(0x21, 0x21, inet6), "[2001:db8::1]:4321"},
	{"v2 UNIX", v2(0x21, 0x31, paths), ""},
	{"v2 UNSPEC", v2(0x21, 0x00), ""},
	{"v2 UNSPEC with fields", v2(0x21, 0x00, tlv(0x05, "id")), ""},
	{"v2 fields", v2(0x21, 0x11, inet4, tlv(0x02, "a.example"), tlv(0x04, "\x00\x00")), "192.0.2.1:4321"},
	{"v2 60 KiB of fields", v2(0x21, 0x11, inet4, tlv(0xe0, strings.Repeat("x", 60<<10))), "192.0.2.1:4321"},
	{"v2 checksum", sealed(v2(0x21, 0x11, inet4, tlv(0x04, "pad"), tlv(0x03, "\x00\x00\x00\x00"))), "192.0.2.1:4321"},
	{"v2 wrong checksum", v2(0x21, 0x11, inet4, tlv(0x03, "\x00\x00\x00\x01")), "refused"},
	{"v2 checksum of three bytes", v2(0x21, 0x11, inet4, tlv(0x03, "\x00\x00\x00")), "refused"},
	{"v2 longest ID", v2(0x21, 0x11, inet4, tlv(0x05, strings.Repeat("x", 128))), "192.0.2.1:4321"},
	{"v2 ID too long", v2(0x21, 0x11, inet4, tlv(0x05, strings.Repeat("x", 129))), "refused"},
	{"v2 ID too long before another", v2(0x21, 0x00, tlv(0x05, strings.Repeat("x", 129)), tlv(0x05, "id")), "refused"},
	{"v2 LOCAL", v2(0x20, 0x00), ""},
	{"v2 LOCAL with addresses", v2(0x20, 0x11, inet4), ""},
	{"v2 LOCAL with a family and no addresses", v2(0x20, 0x11), ""},
	{"v2 LOCAL with rubbish", v2(0x20, 0x11, []byte("\xffrubbish")), ""},
	{"v2 LOCAL with fields and a wrong checksum", v2(0x20, 0x11, inet4, tlv(0x03, "\x00\x00\x00\x01")), ""},
	{"v2 LOCAL of unknown family", v2(0x20, 0x41), ""},
	{"v2 LOCAL of unknown transport", v2(0x20, 0x13, inet4), ""},
	{"v2 LOCAL with a family and no transport", v2(0x20, 0x10), ""},
	{"v2 LOCAL with nothing that is known", v2(0x20, 0xff, []byte("rubbish")), ""},
	{"v2 LOCAL of version 1", v2(0x10, 0x00), "refused"},
	{"v2 UNSPEC with a wrong checksum", v2(0x21, 0x00, tlv(0x03, "\x00\x00\x00\x01")), "refused"},
	{"v2 UNSPEC with a field that overruns", v2(0x21, 0x00, []byte{0x05, 0, 9, 'x'}), "refused"},
	{"v2 UNIX with fields", v2(0x21, 0x31, paths, tlv(0x05, "id")), ""},
	{"v2 UNIX datagrams", v2(0x21, 0x32, paths), "refused"},
	{"v2 UNIX cut short", v2(0x21, 0x31, paths[:215]), "refused"},
	{"v2 IPv4 mapped into IPv6", v2(0x21, 0x21, mapped6), "192.0.2.1:4321"},
	{"v2 IPv6 to IPv4 mapped", v2(0x21, 0x21, inet6[:16], mapped6[16:32], inet6[32:]), "[2001:db8::1]:4321"},
	{"v2 IPv6 cut short", v2(0x21, 0x21, inet6[:35]), "refused"},
	{"v2 IPv6 datagrams", v2(0x21, 0x22, inet6), "refused"},
	{"v2 no addresses", v2(0x21, 0x11), "refused"},
	{"v2 of the most length", v2(0x21, 0x11, inet4, tlv(0xe0, strings.Repeat("x", 1<<16-1-12-3))), "192.0.2.1:4321"},
	{"v2 field of no length", v2(0x21, 0x11, inet4, tlv(0x05, "")), "192.0.2.1:4321"},
	{"v2 addresses cut short", v2(0x21, 0x11, inet4[:11]), "refused"},
	{"v2 field that overruns", v2(0x21, 0x11, inet4, []byte{0x05, 0, 9, 'x'}), "refused"},
	{"v2 field without length", v2(0x21, 0x11, inet4, []byte{0x05, 0}), "refused"},
	{"v2 version 1", v2(0x11, 0x11, inet4), "refused"},
	{"v2 version 3", v2(0x31, 0x11, inet4), "refused"},
	{"v2 version 0", v2(0x01, 0x11, inet4), "refused"},
	{"v2 unknown command", v2(0x22, 0x11, inet4), "refused"},
	{"v2 unknown family", v2(0x21, 0x41, inet4), "refused"},
	{"v2 unknown transport", v2(0x21, 0x13, inet4), "refused"},
	{"v2 family without transport", v2(0x21, 0x10, inet4), "refused"},
	{"v2 transport without family", v2(0x21, 0x01), "refused"},
	{"v2 datagrams", v2(0x21, 0x12, inet4), "refused"},
	{"nothing of the kind", "GET / HTTP/1.1\r\n\r\n", "refused"},
}

func TestProxyHeaders(t *testing.T) {
	for _, v := range proxyVectors {
		t.Run(v.name, func(t *testing.T) {
			got := "refused"
			if size, err := proxyHeaderSize([]byte(v.header)); err == nil && size > 0 {
				if size != len(v.header) {
					t.Fatalf("its size is %d, want %d", size, len(v.header))
				}
				if in, err := parseProxyHeader([]byte(v.header)); err == nil {
					got = pool.TCPAddress(in.source).String()
				}
			}
			if got != v.source {
				t.Errorf("source %q, want %q", got, v.source)
			}
		})
	}
}

// TestProxyHeaderInPieces cuts each good header at every byte: no part of it may be taken for a whole or refused.
func TestProxyHeaderInPieces(t *testing.T) {
	for _, v := range proxyVectors {
		if v.source == "refused" {
			continue
		}
		for n := range min(len(v.header), 300) {
			if size, err := proxyHeaderSize([]byte(v.header[:n])); size != 0 || err != nil {
				t.Fatalf("%s, %d bytes of %d: size %d, %v; want more to be asked for", v.name, n, len(v.header), size, err)
			}
		}
	}
}

// trusting starts a Server that takes its clients for trusted proxies, in front of a backend.
func trusting(t *testing.T, configure func(*Server), backend string) *testServer {
	return serve(t, func(s *Server) {
		s.ProxyIn = prefixes("127.0.0.0/8")
		if configure != nil {
			configure(s)
		}
	}, backend)
}

func TestIntroducedClientIsRelayedAndRecorded(t *testing.T) {
	s := trusting(t, nil, l4test.Echo(t).Addr())
	header := v2(0x21, 0x11, inet4, tlv(0x05, "id"))
	p := l4test.Dial(t, s.addr).SendEach(header).Send("hello").Expect("hello").CloseWrite().ExpectEOF()
	r := s.record(t, ClientClosed)
	if r.Client.String() != "192.0.2.1:4321" || r.Via.String() != p.Addr().String() || r.Local.String() != "198.51.100.2:80" {
		t.Errorf("client %v via %v to %v", r.Client, r.Via, r.Local)
	}
	if r.FromClient != 5 || r.ToBackend != 5 {
		t.Errorf("%d bytes read, %d passed on; want 5: the header does not count", r.FromClient, r.ToBackend)
	}
}

func TestBytesBehindTheHeaderArriveFirst(t *testing.T) {
	s := trusting(t, nil, l4test.Echo(t).Addr())
	l4test.Dial(t, s.addr).Send("PROXY TCP4 192.0.2.1 198.51.100.2 4321 80\r\nab").Send("cd").Expect("abcd").CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
}

// TestHeaderIsPassedOn has a header come in as text and go out as binary, with the fields that were received.
func TestHeaderIsPassedOn(t *testing.T) {
	backend := l4test.Serve(t, func(p *l4test.Peer) {
		want := v2(0x21, 0x11, inet4, tlv(0x02, "a.example")) + "x"
		p.Expect(want).Send("y").ExpectEOF()
	})
	s := trusting(t, func(s *Server) { s.ProxyOut, s.ProxyTLV = ProxyV2, ProxyReceived }, backend.Addr())
	header := sealed(v2(0x21, 0x11, inet4, tlv(0x02, "a.example"), tlv(0x03, "\x00\x00\x00\x00")))
	l4test.Dial(t, s.addr).Send(header + "x").Expect("y").CloseWrite().ExpectEOF()
	backend.AwaitDone(1)
}

// TestIDThatIsPassedOnIsTheSessions has an ID come in and go out, unless the session is to have one of its own.
func TestIDThatIsPassedOnIsTheSessions(t *testing.T) {
	header := v2(0x21, 0x11, inet4, tlv(0x05, "theirs"))
	for selected, want := range map[ProxyTLV]string{0: "", ProxyCRC32C: "", ProxyReceived: hex.EncodeToString([]byte("theirs")), ProxyReceived | ProxyUniqueID: "own"} {
		backend, got := headerReader(t)
		s := trusting(t, func(s *Server) { s.ProxyOut, s.ProxyTLV = ProxyV2, selected }, backend.Addr())
		l4test.Dial(t, s.addr).Send(header + "x").Expect("x").CloseWrite().ExpectEOF()
		id, sent := s.record(t, ClientClosed).UniqueID, <-got
		raw, _ := hex.DecodeString(id)
		if want == "own" && (len(raw) != 16 || !strings.Contains(sent, string(tlv(0x05, string(raw))))) || want != "own" && id != want {
			t.Errorf("selected %#x: the ID is %s, and the backend was sent %q", selected, id, sent)
		}
	}
}

func TestTrustedSourceMustSendAHeader(t *testing.T) {
	backend := l4test.Echo(t)
	s := trusting(t, nil, backend.Addr())
	for header, fault := range map[string]string{
		"hello, this is no header":                                   "no PROXY header",
		"PROXY TCP4 192.0.2.1 198.51.100.2 65536 80\r\n":             "port",
		v2(0x21, 0x11, inet4, tlv(0x03, "\x00\x00\x00\x01")) + "GET": "checksum 0x1, want 0x",
	} {
		l4test.Dial(t, s.addr).Send(header).ExpectResetSoon()
		if r := s.record(t, ProxyRefused); !strings.Contains(r.Fault, fault) {
			t.Errorf("%q: fault %q, want one with %q", header, r.Fault, fault)
		}
	}
	l4test.Dial(t, s.addr).Close()
	s.record(t, ClientLeft)
	s = trusting(t, func(s *Server) { s.ProxyTimeout = time.Second }, backend.Addr())
	l4test.Dial(t, s.addr).Send("PROXY TCP4 ").ExpectReset()
	if r := s.record(t, ProxyTimeout); r.Total < time.Second {
		t.Errorf("waited %v, want 1s", r.Total)
	}
	if n := backend.Accepted(); n != 0 {
		t.Errorf("the backend saw %d of them", n)
	}
}

// TestTricklingDoesNotExtendTheHeader sends a byte of a long header now and then, and never the last.
func TestTricklingDoesNotExtendTheHeader(t *testing.T) {
	const limit = 300 * time.Millisecond
	s := trusting(t, func(s *Server) { s.ProxyTimeout = limit }, l4test.Echo(t).Addr())
	c := l4test.Dial(t, s.addr).Conn()
	header := v2(0x21, 0x11, inet4, tlv(0xe0, strings.Repeat("x", 60<<10)))
	began := time.Now()
	for i := range header {
		if _, err := c.Write([]byte{header[i]}); err != nil {
			break
		}
		if <-time.After(5 * time.Millisecond); time.Since(began) > 20*limit {
			t.Fatalf("it goes on after %v", time.Since(began))
		}
	}
	if r := s.record(t, ProxyTimeout); r.Total < limit {
		t.Errorf("it ended after %v, want %v at least", r.Total, limit)
	}
}

// TestIntroducedClientIsHashed: the policy goes by the client that a header names, and not by the balancer.
func TestIntroducedClientIsHashed(t *testing.T) {
	var backends []pool.Config
	for range 4 {
		backends = append(backends, backend(t, l4test.Echo(t).Addr()))
	}
	s := servePool(t, func(s *Server) { s.ProxyIn = prefixes("127.0.0.0/8") }, pool.Options{Policy: pool.Source}, backends...)
	served := map[string]string{} // backends by client
	for i := range 60 {
		client := "198.51.100." + strconv.Itoa(i%20)
		l4test.Dial(t, s.addr).Send("PROXY TCP4 " + client + " 192.0.2.80 40000 80\r\nx").Expect("x").CloseWrite().ExpectEOF()
		b := s.record(t, ClientClosed).Backend
		if before := served[client]; before != "" && before != b {
			t.Errorf("%s was at %s and then at %s", client, before, b)
		}
		served[client] = b
	}
	if n := len(slices.Compact(slices.Sorted(maps.Values(served)))); n < 2 {
		t.Errorf("20 clients went to %d backend", n)
	}
}

func TestHeaderOfAnotherSourceIsData(t *testing.T) {
	s := serve(t, func(s *Server) { s.ProxyIn = prefixes("192.0.2.0/24") }, l4test.Echo(t).Addr())
	const header = "PROXY TCP4 192.0.2.1 198.51.100.2 4321 80\r\n"
	l4test.Dial(t, s.addr).Send(header).Expect(header).CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
}

func TestWhoMustSendAHeader(t *testing.T) {
	s := &Server{ProxyIn: prefixes("192.0.2.0/24", "fe80::1%eth0/128", "fe80::%eth1/64")}
	trusted, other := netip.MustParseAddrPort("192.0.2.9:1"), netip.MustParseAddrPort("198.51.100.1:1")
	for _, test := range []struct {
		unix, sockets bool
		peer          netip.AddrPort
		want          bool
	}{
		{false, false, trusted, true},
		{false, true, other, false},
		{false, false, netip.MustParseAddrPort("[fe80::1%eth0]:1"), true},
		{false, false, netip.MustParseAddrPort("[fe80::2%eth0]:1"), false},
		{false, false, netip.MustParseAddrPort("[fe80::2%eth1]:1"), true},
		{false, false, netip.MustParseAddrPort("[fe80::1%eth2]:1"), false},
		{true, false, netip.AddrPort{}, false},
		{true, true, netip.AddrPort{}, true},
	} {
		s.ProxyInUNIX = test.sockets
		if got := s.trusts(&listener{unix: test.unix}, test.peer); got != test.want {
			t.Errorf("%+v: got %v", test, got)
		}
	}
}

// FuzzProxyHeader compares with go-proxyproto: both take the same headers for the same, but for what judged says.
func FuzzProxyHeader(f *testing.F) {
	for _, v := range proxyVectors {
		f.Add([]byte(v.header))
		f.Add([]byte(v.header + "GET"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got introduction
		size, err := proxyHeaderSize(b)
		if err == nil && size == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			got, err = parseProxyHeader(b[:size])
		}
		switch want, verdict := judged(b); {
		case verdict == refused && err == nil:
			t.Errorf("%q is taken for %+v, and go-proxyproto refuses it", b, got)
		case verdict == taken && err != nil:
			t.Errorf("%q is refused: %v, and go-proxyproto takes it", b, err)
		case verdict == taken && !reflect.DeepEqual(got, want):
			t.Errorf("%q is taken for %+v, and go-proxyproto takes it for %+v", b, got, want)
		}
	})
}

// A verdict is what go-proxyproto makes of a header.
type verdict uint8

const (
	refused verdict = iota
	taken
	unasked // it does not look, or is made to refuse what the specification leaves open
)

// isMixed reports whether two addresses are of different families, or the second is a UNIX socket's.
func isMixed(a, b string) bool {
	from, err := netip.ParseAddr(a)
	to, err2 := netip.ParseAddr(b)
	return strings.HasPrefix(b, "unix:") || err == nil && err2 == nil && from.Is4() != to.Is4()
}

// judged tells what go-proxyproto makes of the header that b begins with.
func judged(b []byte) (introduction, verdict) {
	if len(b) >= proxyV2Fixed && bytes.HasPrefix(b, proxyproto.SIGV2) &&
		(b[proxyV2CommandAt] == 0x20 || b[proxyV2CommandAt] == 0x21 && b[proxyV2FamilyAt] == 0 || binary.BigEndian.Uint16(b[proxyV2LengthAt:]) > proxyproto.MaxV2HeaderSize) {
		return introduction{}, unasked
	}
	if fields := strings.Split(string(b), " "); len(fields) >= 6 && b[0] == 'P' && isMixed(fields[2], fields[3]) {
		return introduction{}, unasked // it takes addresses of one family alone
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b), len(b)))
	switch {
	case err != nil:
		return introduction{}, refused
	case h.Command.IsLocal():
		return introduction{}, taken
	case h.TransportProtocol.IsDatagram():
		return introduction{}, refused // which is no connection
	}
	tlvs, err := h.TLVs()
	if err != nil {
		return introduction{}, refused
	}
	want := introduction{tlvs: tlvs}
	if from, to, ok := h.TCPAddrs(); ok {
		want.source, want.destination = plain(from), plain(to)
	}
	if len(uniqueIDIn(tlvs)) > mostUniqueID {
		return introduction{}, refused // it leaves the length to others
	}
	if slices.ContainsFunc(tlvs, func(t proxyproto.TLV) bool { return t.Type == proxyproto.PP2_TYPE_CRC32C }) {
		return want, unasked // it leaves the checksum to others
	}
	return want, taken
}

func TestChecksumIsThatOfTheSpecification(t *testing.T) {
	header := sealed(v2(0x21, 0x11, inet4, tlv(0x03, "\x00\x00\x00\x00")))
	zeroed := []byte(header)
	sum := binary.BigEndian.Uint32(zeroed[len(zeroed)-4:])
	copy(zeroed[len(zeroed)-4:], "\x00\x00\x00\x00")
	if want := crc32.Checksum(zeroed, crc32.MakeTable(crc32.Castagnoli)); sum != want {
		t.Errorf("checksum %#x, want %#x", sum, want)
	}
}
