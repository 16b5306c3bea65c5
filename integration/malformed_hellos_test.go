package integration

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A probe is what a client sends in the place of a ClientHello.
type probe struct {
	name  string
	bytes []byte
	want  string // the answer; "": what crypto/tls by itself gives
}

// helloOf returns the ClientHello of a client, as a record.
func helloOf(t testing.TB, c *tls.Config) []byte {
	t.Helper()
	return []byte(clientHello(t, c))
}

// recordOf returns a record of that type and version (RFC 8446, section 5.1).
func recordOf(kind byte, version uint16, content []byte) []byte {
	head := binary.BigEndian.AppendUint16([]byte{kind}, version)
	return append(binary.BigEndian.AppendUint16(head, uint16(len(content))), content...)
}

// messageOf returns a handshake message of that type (RFC 8446, section 4).
func messageOf(kind byte, body []byte) []byte {
	return append([]byte{kind, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

const (
	handshakeRecord = 22
	helloMessage    = 1
	tls10           = 0x0301
)

// malformedHellos are hellos with a fault: cut at each byte and padded behind it, the lengths around them right; with
// lengths that are wrong; in records that are too long, empty or of other kinds. tlsfuzzer's
// test-truncating-of-client-hello and test-invalid-client-hello-w-record-overflow ask alike.
func malformedHellos(t testing.TB) (all []probe) {
	hello := helloOf(t, &tls.Config{ServerName: "a.example", NextProtos: []string{"h2"}})
	body := hello[9:]
	add := func(b []byte, format string, a ...any) {
		all = append(all, probe{name: fmt.Sprintf(format, a...), bytes: b})
	}
	// crypto/tls says nothing to some of what comes in the wrong place, or that it can't decode it.
	unexpected := func(b []byte, format string, a ...any) {
		add(b, format, a...)
		all[len(all)-1].want = "alert 10"
	}
	whole := func(body []byte) []byte { return recordOf(handshakeRecord, tls10, messageOf(helloMessage, body)) }
	for n := range len(body) {
		if n < 300 || n%16 == 0 {
			add(whole(body[:n]), "the first %d bytes", n)
		}
	}
	for _, n := range []int{1, 2, 3, 4, 8, 255, 4096, 8192} {
		add(whole(append(bytes.Clone(body), make([]byte, n)...)), "%d bytes behind it", n)
	}
	for at := range 300 {
		for _, flip := range []byte{1, 0x80} {
			if at >= 34 || at == 0 { // the random may be anything
				changed := bytes.Clone(body)
				changed[at] ^= flip
				add(whole(changed), "byte %d xor %#x", at, flip)
			}
		}
	}
	for n := 1<<14 + 1; n < 1<<16; n += 97 {
		add(recordOf(handshakeRecord, tls10, messageOf(helloMessage, append(bytes.Clone(body), make([]byte, n-len(body)-4)...))), "a record of %d bytes", n)
	}
	for _, kind := range []byte{0, 2, 4, 11, 16, 20, 24, 254} {
		unexpected(recordOf(handshakeRecord, tls10, messageOf(kind, body)), "a message of type %d", kind)
	}
	empty := recordOf(handshakeRecord, tls10, nil)
	add(append(bytes.Clone(empty), hello...), "an empty record before it")
	for _, cut := range []int{1, 3, 4, 50} {
		first, second := recordOf(handshakeRecord, tls10, hello[5:][:cut]), recordOf(handshakeRecord, tls10, hello[5:][cut:])
		add(bytes.Join([][]byte{first, empty, second}, nil), "an empty record after %d bytes", cut)
		for kind := byte(20); kind <= 24; kind++ {
			if kind != handshakeRecord && kind != alertRecord {
				unexpected(bytes.Join([][]byte{first, recordOf(kind, 0x0303, []byte{1}), second}, nil), "a record of type %d after %d bytes", kind, cut)
			}
		}
	}
	return all
}

// answerTo returns what a server says to a probe, to its end. The client says more than the probe, for the server to
// leave unread.
func answerTo(addr string, p probe) (said []byte, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(append(bytes.Clone(p.bytes), bytes.Repeat([]byte("more "), 10_000)...)); err != nil {
		return nil, err
	}
	return io.ReadAll(conn)
}

// alertIn returns the description in what must be one fatal alert in clear, or what is there instead.
func alertIn(said []byte, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case len(said) == 7 && said[0] == alertRecord && said[5] == 2:
		return fmt.Sprintf("alert %d", said[6])
	case len(said) > 5 && said[0] == handshakeRecord:
		return "a hello"
	}
	return fmt.Sprintf("%x", said)
}

// bareTLS serves with crypto/tls alone, and closes as carefully as can be.
func bareTLS(t testing.TB, config *tls.Config) (addr string) {
	return l4test.Serve(t, func(p *l4test.Peer) {
		conn := p.Conn().(*net.TCPConn)
		if tls.Server(conn, config).Handshake() != nil {
			conn.CloseWrite()
			io.Copy(io.Discard, conn)
		}
	}).Addr()
}

// A hello that can't be read gets the alert that crypto/tls by itself gives, and it arrives, whatever more the client
// has sent: the connection is not reset. Of the session the log says what was wrong.
func TestMalformedHellosGetTheirAlerts(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	site := a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})
	config := site.Server()
	config.NextProtos = []string{"h2"}
	bare := bareTLS(t, config)
	f := start(t, append(endTLS(site), "--alpn", "h2", l4test.Echo(t).Addr())...)
	refused, wrong := 0, 0
	for _, p := range malformedHellos(t) {
		got, want := alertIn(answerTo(f.Addr(), p)), p.want
		if want == "" {
			want = alertIn(answerTo(bare, p))
		}
		if strings.HasPrefix(want, "alert") {
			refused++
		}
		if got == want {
			continue
		}
		if wrong++; wrong <= 20 {
			t.Errorf("%s: got %s, want %s", p.name, got, want)
		}
	}
	if refused < 1000 {
		t.Errorf("%d probes were to be refused, want 1000 at least", refused)
	}
}

// A client that is refused later, by crypto/tls itself, gets its alert as well, though it goes on sending: one without
// a version or a cipher suite in common, and one whose records are bad after the handshake.
func TestAlertsReachClientsThatGoOn(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})), l4test.Echo(t).Addr())...)
	const version, suite, dotted = "alert 70", "alert 40", "alert 50"
	old := helloOf(t, &tls.Config{ServerName: "a.example", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	weak := helloOf(t, &tls.Config{ServerName: "a.example", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}})
	dot := bytes.Replace(helloOf(t, &tls.Config{ServerName: "a.examplex"}), []byte("a.examplex"), []byte("a.example."), 1)
	for range 20 {
		for _, p := range []probe{{"old", old, version}, {"weak", weak, suite}, {"dotted", dot, dotted}} {
			if got := alertIn(answerTo(f.Addr(), p)); got != p.want {
				t.Errorf("%s: got %s, want %s", p.name, got, p.want)
			}
		}
	}
	for _, e := range f.Sessions(60) {
		wantCause(t, e, "handshake-failed")
		if e.ClientTLS.Fault == "" || strings.Contains(e.ClientTLS.Fault, "decod") {
			t.Errorf("the log tells of fault %q, want what was wrong with the hello", e.ClientTLS.Fault)
		}
	}
	for range 20 {
		p := l4test.DialTLS(t, f.Addr(), a.Client("a.example")).Send("x").Expect("x")
		p.SendBelow("\x17\x03\x03\x00\x20" + strings.Repeat("?", 32) + strings.Repeat("more ", 10_000))
		if _, err := p.Conn().Read(make([]byte, 1)); !errors.As(err, new(*net.OpError)) || !strings.Contains(err.Error(), "remote error: tls: bad record MAC") {
			t.Errorf("got %v, want the alert bad_record_mac", err)
		}
		p.Close()
	}
}

// Who speaks no TLS is reset, but a client that speaks HTTP is told what it has done wrong. The log names what it
// speaks.
func TestStrangersAreNamed(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})), l4test.Echo(t).Addr())...)
	for i, c := range []struct{ says, fault string }{
		{"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "HTTP"},
		{"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200_000), "HTTP"},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"},
		{"SSH-2.0-OpenSSH_9.6\r\n", "SSH"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY protocol"},
		{"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", "PROXY protocol"},
		{"\x00\x00\x00\x08\x04\xd2\x16\x2f", "PostgreSQL (SSLRequest)"},
		{"EHLO me\r\n", "SMTP"},
		{"*1\r\n$4\r\nPING\r\n", "Redis"},
		{"\x05\x01\x00", "SOCKS"},
		{"\x80\x2e\x01\x03\x01\x00\x15", "SSL 2"},
		{"\x00\x01\x02\x03", "no handshake record"},
	} {
		p := l4test.Dial(t, f.Addr()).Send(c.says)
		switch {
		case c.fault == "HTTP":
			if got := string(p.ReceiveAll()); !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, "https://") {
				t.Errorf("%.20q got %q, want status 400 and what is wrong", c.says, got)
			}
		case c.fault == "SSL 2":
			if got := alertIn(p.ReceiveAll(), nil); got != "alert 70" {
				t.Errorf("%.20q got %s, want alert 70", c.says, got)
			}
		default:
			p.ExpectReset()
		}
		p.Close()
		e := f.Sessions(i + 1)[i]
		wantCause(t, e, "not-tls")
		if !strings.Contains(e.Fault, c.fault) {
			t.Errorf("%.20q is logged as %q, want %s", c.says, e.Fault, c.fault)
		}
	}
}
