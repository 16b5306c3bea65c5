package integration

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/netip"
	"testing"

	"forebay/l4/l4test"
)

// signature begins every version 2 header (PROXY protocol, 2.2).
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// The header is the byte-exact one of the PROXY protocol's specification, for clients that speak first and for clients
// that are silent.
func TestProxyHeaderIsExact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listen, version string
		header          func(client, local string) string
	}{
		{"127.0.0.1:0", "v1", v1},
		{"[::1]:0", "v1", v1},
		{":0", "v1", v1}, // an IPv4 client of a dual-stack listener
		{"unix", "v1", func(string, string) string { return "PROXY UNKNOWN\r\n" }},
		{"127.0.0.1:0", "v2", v2},
		{"[::1]:0", "v2", v2},
		{":0", "v2", v2},
	} {
		for _, text := range []string{"", "first bytes"} {
			t.Run(fmt.Sprintf("%s %s %q", c.version, c.listen, text), func(t *testing.T) {
				t.Parallel()
				headers := make(chan string, 1)
				b := l4test.Serve(t, func(p *l4test.Peer) {
					want := <-headers
					p.Expect(want).Send("seen").Expect(text).ExpectEOF()
				})
				listen := c.listen
				if listen == "unix" {
					listen = "unix:" + l4test.SocketPath(t)
				}
				f := start(t, "-l", listen, "--proxy-out", c.version, b.Addr())
				client := dialListener(t, f, listen)
				headers <- c.header(client.Addr().String(), client.Remote().String())
				if text != "" {
					client.Send(text)
				}
				client.Expect("seen").CloseWrite().ExpectEOF()
				b.AwaitDone(1)
				wantBytes(t, f.Session(), int64(len(text)), int64(len("seen")))
			})
		}
	}
}

// dialListener connects to f, over IPv4 where it listens for everything.
func dialListener(t *testing.T, f *forebay, listen string) *l4test.Peer {
	t.Helper()
	switch {
	case len(f.addrs) == 0:
		return l4test.Dial(t, listen)
	case listen == ":0":
		return l4test.Dial(t, fmt.Sprintf("127.0.0.1:%d", netip.MustParseAddrPort(f.Addr()).Port()))
	}
	return l4test.Dial(t, f.Addr())
}

func v1(client, local string) string {
	c, l := netip.MustParseAddrPort(client), netip.MustParseAddrPort(local)
	family := "TCP4"
	if c.Addr().Is6() {
		family = "TCP6"
	}
	return fmt.Sprintf("PROXY %s %s %s %d %d\r\n", family, c.Addr(), l.Addr(), c.Port(), l.Port())
}

func v2(client, local string) string { return v2With(client, local, "") }

// v2With returns the version 2 header with tlv after the addresses.
func v2With(client, local, tlv string) string {
	c, l := netip.MustParseAddrPort(client), netip.MustParseAddrPort(local)
	family := byte(0x11) // TCP over IPv4
	if c.Addr().Is6() {
		family = 0x21
	}
	body := append(c.Addr().AsSlice(), l.Addr().AsSlice()...)
	body = binary.BigEndian.AppendUint16(body, c.Port())
	body = binary.BigEndian.AppendUint16(body, l.Port())
	body = append(body, tlv...)
	head := append([]byte(signature), 0x21, family) // version 2, PROXY
	return string(append(binary.BigEndian.AppendUint16(head, uint16(len(body))), body...))
}

// A client of a UNIX listener is told as such: the family of the block is AF_UNIX, 216 bytes, with the listener's path
// as destination.
func TestProxyHeaderV2OfUNIXListener(t *testing.T) {
	t.Parallel()
	path := l4test.SocketPath(t)
	var src, dst [108]byte
	copy(dst[:], path)
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.Expect(signature + "\x21\x31\x00\xd8" + string(src[:]) + string(dst[:])).ExpectEOF()
	})
	start(t, "-l", "unix:"+path, "--proxy-out", "v2", b.Addr())
	l4test.Dial(t, "unix:"+path).CloseWrite().ExpectEOF()
	b.AwaitDone(1)
}

// A checksum over the header, itself taken as zero, and a number that the access log tells too.
func TestProxyHeaderTLVs(t *testing.T) {
	t.Parallel()
	headers := make(chan string, 1)
	b := l4test.Serve(t, func(p *l4test.Peer) {
		head := string(p.Receive(16))
		headers <- head + string(p.Receive(int(binary.BigEndian.Uint16([]byte(head[14:])))))
		p.ExpectEOF()
	})
	f := start(t, "--proxy-out", "v2", "--proxy-tlv", "crc32c,unique-id", "--log-empty", b.Addr())
	client := l4test.Dial(t, f.Addr()).CloseWrite().ExpectEOF()
	b.AwaitDone(1)
	got := []byte(<-headers)
	tlvs := fields(t, got[28:])
	sum := tlvs[0x03]
	if len(sum) != 4 {
		t.Fatalf("the checksum has %d bytes, want 4: %x", len(sum), got)
	}
	want := binary.BigEndian.Uint32(sum)
	clear(sum)
	if sum := crc32.Checksum(got, crc32.MakeTable(crc32.Castagnoli)); sum != want {
		t.Errorf("the header's checksum is %08x, and it tells %08x", sum, want)
	}
	e := f.Session()
	if id := tlvs[0x05]; len(id) == 0 || len(id) > 128 || e.UniqueID == "" {
		t.Errorf("the header's unique id is %q and the log's is %q, want one", id, e.UniqueID)
	}
	if e.Client != client.Addr().String() {
		t.Errorf("the log's client is %s, want %s", e.Client, client.Addr())
	}
}

// fields returns the TLVs of a header; the values are parts of b.
func fields(t *testing.T, b []byte) map[byte][]byte {
	all := map[byte][]byte{}
	for len(b) >= 3 {
		n := int(binary.BigEndian.Uint16(b[1:]))
		if len(b) < 3+n {
			t.Fatalf("a field says it has %d bytes of %d", n, len(b)-3)
		}
		all[b[0]], b = b[3:3+n], b[3+n:]
	}
	return all
}

// Bytes that are there before the backend is connected go with the header, in one segment: a receiver may refuse a
// header that comes in parts.
func TestProxyHeaderGoesWithFirstBytes(t *testing.T) {
	t.Parallel()
	received := make(chan int, 2)
	b := l4test.Serve(t, func(p *l4test.Peer) {
		var all [1000]byte
		n, _ := p.Conn().Read(all[:])
		received <- n
		p.ReceiveAll()
	})
	f := start(t, "--proxy-out", "v1", b.Addr()+",max-conns=1")
	first := l4test.Dial(t, f.Addr())
	l4test.Await(t, patience, "the first session", func() bool { return b.Accepted() == 1 })
	<-received
	descriptors := f.Descriptors()
	second := l4test.Dial(t, f.Addr()).Send("request")
	l4test.Await(t, patience, "the second client waits", func() bool { return f.Descriptors() > descriptors })
	first.CloseWrite().ExpectEOF()
	if got, want := <-received, len(v1(second.Addr().String(), second.Remote().String())+"request"); got != want {
		t.Errorf("the backend's first read got %d bytes, want the header and the request: %d", got, want)
	}
	second.CloseWrite().ExpectEOF()
}
