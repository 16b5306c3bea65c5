package integration

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// Two hundred clients that say nothing, only half a ClientHello, or nothing more after it, delay nobody: they hold none
// of the places in which handshakes are computed.
func TestSilentClientsDelayNobody(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})),
		"--handshakes", "1", "--handshake-timeout", "1h", "--log-empty", l4test.Echo(t).Addr())...)
	hello := clientHello(t, a.Client("a.example"))
	var silent []*l4test.Peer
	for i := range 201 {
		p := l4test.Dial(t, f.Addr())
		p.Send(hello[:i%3*len(hello)/2])
		silent = append(silent, p)
	}
	for i := 2; i < len(silent); i += 3 {
		l4test.Await(t, patience, "the answer to a ClientHello", func() bool { return silent[i].Unread() > 0 })
	}
	for range 5 {
		exchangeTLS(t, f, a.Client("a.example"))
	}
	for i, p := range silent {
		if i%3 < 2 && p.Unread() > 0 {
			t.Errorf("client %d was answered before it had said anything", i)
		}
		p.Reset()
	}
}

// clientHello returns the first message of a client.
func clientHello(t testing.TB, config *tls.Config) string {
	t.Helper()
	var c recorder
	if err := tls.Client(&c, config).Handshake(); err != io.EOF || len(c.written) == 0 {
		t.Fatalf("a client wrote %d bytes and ended with %v", len(c.written), err)
	}
	return string(c.written)
}

// A recorder keeps what is written, and has nothing to read.
type recorder struct {
	net.Conn
	written []byte
}

func (r *recorder) Write(b []byte) (int, error) {
	r.written = append(r.written, b...)
	return len(b), nil
}

func (r *recorder) Read([]byte) (int, error) { return 0, io.EOF }
func (r *recorder) Close() error             { return nil }

// A handshake has its time, and no byte that trickles in adds to it.
func TestTricklingDoesNotExtendTheHandshake(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		whole int // of what the client writes
		cause string
	}{
		{"ClientHello", 0, "hello-timeout"},
		{"the rest", 1, "handshake-timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := l4test.NewAuthority(t)
			b := l4test.Echo(t)
			f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})), "--handshake-timeout", "1s", b.Addr())...)
			p := l4test.Dial(t, f.Addr())
			trickling := func(conn net.Conn, c2 *tls.Config) *tls.Conn {
				return tls.Client(&trickle{Conn: conn, whole: c.whole}, c2)
			}
			if err := p.TrySecure(trickling, a.Client("a.example")); err == nil && refusal(p) == nil {
				t.Fatal("a handshake that trickles in goes through")
			}
			e := f.Session()
			wantCause(t, e, c.cause)
			wantTotal(t, e, 1)
			if n := b.Accepted(); n > 0 {
				t.Errorf("the backend saw %d connections", n)
			}
		})
	}
}

// A trickle sends the first writes whole, and then a byte at a time, each long before it would be missed.
type trickle struct {
	net.Conn
	whole int
}

func (s *trickle) Write(b []byte) (int, error) {
	if s.whole > 0 {
		s.whole--
		return s.Conn.Write(b)
	}
	for i := range b {
		if _, err := s.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
		<-time.After(100 * time.Millisecond)
	}
	return len(b), nil
}

// Readers in TLS that read nothing of what a fast backend sends cost as little as others.
func TestStalledTLSReadersCostLittle(t *testing.T) {
	measures(t)
	f := arrangement{client: true}.build(t, func(p *l4test.Peer) {
		if string(p.Receive(1)) == "e" {
			l4test.EchoScript(p)
			return
		}
		p.SendContent(1, backlog).CloseWrite().ReceiveAll()
	})
	other := func() { f.dial(t).Send("eother").Expect("other").CloseWrite().ExpectEOF() }
	other()
	before := f.Memory()
	readers := make([]*l4test.Peer, stalled)
	for i := range readers {
		readers[i] = f.secure(l4test.DialNarrow(t, f.Addr(), 32<<10)).Send("s")
	}
	awaitUnreadStandstill(t, readers)
	f.AwaitRest(500*time.Millisecond, 20*time.Millisecond)
	if grown := f.Memory() - before; grown > spared {
		t.Errorf("forebay holds %d KiB more, want at most %d", grown>>10, spared>>10)
	}
	other()
	for _, r := range readers {
		r.ExpectContent(1, backlog).ExpectEOF().CloseWrite()
	}
	f.backend.AwaitDone(stalled + 2)
}

// An idle session in TLS holds at most 10 KiB once a burst of handshakes is over, what that has left behind included,
// and costs no CPU.
func TestIdleTLSSessionsCostLittle(t *testing.T) {
	measures(t)
	const most = 10 << 10
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			n := sessionsThatFit(t, 2000)
			a := l4test.NewAuthority(t)
			f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})), echoElsewhere(t))...)
			client := a.Client("a.example")
			client.MinVersion, client.MaxVersion = version, version
			exchangeTLS(t, f, client)
			before := f.Memory()
			sessions := make([]*l4test.Peer, n)
			for i := range sessions {
				sessions[i] = l4test.DialTLS(t, f.Addr(), client).Send("a").Expect("a")
			}
			var each int64
			l4test.Await(t, patience, fmt.Sprintf("an idle session holds %d bytes at most", most), func() bool {
				each = (f.Memory() - before) / int64(n)
				return each <= most
			})
			t.Logf("%d sessions, %d bytes each", n, each)
			f.AwaitRest(time.Second, 10*time.Millisecond)
			for _, p := range sessions {
				p.Send("b").Expect("b").Reset()
			}
		})
	}
}
