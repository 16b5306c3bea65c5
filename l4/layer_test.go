package l4

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"forebay/l4/l4test"
	"forebay/pool"
	"forebay/tls/sni"
)

// An identity is a certificate that vouches for itself, and who trusts it.
type identity struct {
	certificate tls.Certificate
	roots       *x509.CertPool
}

func newIdentity(tb testing.TB, names ...string) *identity {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: names[0]},
		DNSNames:              names,
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &identity{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots}
}

func (i *identity) server() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{i.certificate}}
}

func (i *identity) client() *tls.Config {
	return &tls.Config{RootCAs: i.roots, ServerName: i.certificate.Leaf.DNSNames[0]}
}

// backendTLS is a Route's, the same for every backend.
func (i *identity) backendTLS(*pool.Backend, string) *tls.Config { return i.client() }

// ending has s end its clients' TLS as i.
func (i *identity) ending(s *Server) { s.TLS = i.server() }

// dialTLS is a client that has done its handshake. What is under it is a Peer of its own.
func dialTLS(tb testing.TB, addr string, config *tls.Config) *tls.Conn {
	tb.Helper()
	c := tls.Client(l4test.Dial(tb, addr).Conn(), config)
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if err := c.Handshake(); err != nil {
		tb.Fatal(err)
	}
	return c
}

// serveTLS is a backend that speaks TLS, and serves each connection with f.
func serveTLS(tb testing.TB, config *tls.Config, f func(*tls.Conn)) (addr string) {
	return l4test.Serve(tb, func(p *l4test.Peer) {
		c := tls.Server(p.Conn(), config)
		c.SetDeadline(time.Now().Add(20 * time.Second))
		f(c)
	}).Addr()
}

// echoTLS sends back what it gets, and close_notify after close_notify.
func echoTLS(c *tls.Conn) {
	io.Copy(c, c)
	c.CloseWrite()
	c.NetConn().Close()
}

func expect(tb testing.TB, r io.Reader, want string) {
	tb.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		tb.Fatalf("got %q and %v, want %q", got[:n], err, want)
	}
}

func say(tb testing.TB, w io.Writer, what string) {
	tb.Helper()
	if _, err := io.WriteString(w, what); err != nil {
		tb.Fatal(err)
	}
}

func TestClientTLSIsEnded(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Echo(t).Addr())
	c := dialTLS(t, s.addr, id.client())
	say(t, c, "hello")
	expect(t, c, "hello")
	c.CloseWrite()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after close_notify the client got %v, want close_notify", err)
	}
	r := s.record(t, ClientClosed)
	if r.FromClient != 5 || r.ToBackend != 5 || r.ToClient != 5 || r.ServerName != "one.example" {
		t.Errorf("%+v", r)
	}
	if r.ClientTLS.Version != tls.VersionTLS13 || r.ClientTLS.Took <= 0 || r.BackendTLS.Version != 0 {
		t.Errorf("client %+v, backend %+v", r.ClientTLS, r.BackendTLS)
	}
}

// What a client takes for its hello is not the backend's time.
func TestConnectBeginsAfterTheHandshake(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Echo(t).Addr())
	raw := l4test.Dial(t, s.addr).Conn()
	time.AfterFunc(300*time.Millisecond, func() { tls.Client(raw, id.client()).Handshake(); raw.Close() })
	if r := <-s.records; r.Connect > r.Total/2 || r.Total < 100*time.Millisecond {
		t.Errorf("connected within %v of %v, want what came before the first pick left out", r.Connect, r.Total)
	}
}

func TestHelloMayComeInPieces(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Echo(t).Addr())
	c := tls.Client(&slowly{Conn: l4test.Dial(t, s.addr).Conn()}, id.client())
	say(t, c, "x")
	expect(t, c, "x")
}

// slowly writes byte by byte.
type slowly struct{ net.Conn }

func (s *slowly) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := s.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func TestBackendTLSIsSpoken(t *testing.T) {
	id := newIdentity(t, "backend.example")
	s := serve(t, func(s *Server) { s.BackendTLS = id.backendTLS }, serveTLS(t, id.server(), echoTLS))
	l4test.Dial(t, s.addr).Send("hello").Expect("hello").CloseWrite().ExpectEOF().Close()
	if r := s.record(t, ClientClosed); r.BackendTLS.Version != tls.VersionTLS13 || r.ToBackend != 5 || r.FromBackend != 5 {
		t.Errorf("%+v", r)
	}
}

func TestServerMaySpeakFirstOverTLS(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, func(s *Server) { s.TLS, s.BackendTLS = id.server(), id.backendTLS }, serveTLS(t, id.server(), func(c *tls.Conn) {
		io.WriteString(c, "220 ready")
		echoTLS(c)
	}))
	c := dialTLS(t, s.addr, id.client())
	expect(t, c, "220 ready")
	say(t, c, "x")
	expect(t, c, "x")
}

// An untrusted backend is passed over, and the log says why.
func TestFailedHandshakeWithABackend(t *testing.T) {
	id, stranger := newIdentity(t, "backend.example"), newIdentity(t, "backend.example")
	s := serve(t, func(s *Server) { s.BackendTLS = id.backendTLS }, serveTLS(t, stranger.server(), echoTLS), l4test.Echo(t).Addr(), serveTLS(t, id.server(), echoTLS))
	l4test.Dial(t, s.addr).Send("x").Expect("x").CloseWrite().ExpectEOF()
	r := s.record(t, ClientClosed)
	if len(r.Tries) != 3 || r.Tries[0].Result != pool.TLSFailed || r.Tries[1].Result != pool.TLSFailed || r.Tries[2].Result != pool.Served {
		t.Fatalf("tries %+v", r.Tries)
	}
	if !strings.Contains(r.Tries[0].Fault, "x509") {
		t.Errorf("fault %q, want what is wrong with the certificate", r.Tries[0].Fault)
	}
}

// A backend that ends the handshake with an alert and resets has said why.
func TestAlertBeforeAResetIsHeard(t *testing.T) {
	id := newIdentity(t, "backend.example")
	started := make(chan *testServer, 1)
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.Receive(1)
		(<-started).held(func() {
			p.Send("\x15\x03\x03\x00\x02\x02\x28").AwaitAcked() // handshake_failure
			p.Reset()
		})
	})
	s := serve(t, func(s *Server) { s.BackendTLS = id.backendTLS }, b.Addr())
	started <- s
	l4test.Dial(t, s.addr).ExpectReset()
	if r := s.record(t, ConnectFailed); len(r.Tries) != 1 || r.Tries[0].Result != pool.TLSFailed || !strings.Contains(r.Tries[0].Fault, "handshake failure") {
		t.Errorf("tries %+v", r.Tries)
	}
}

// A backend that accepts and says nothing costs one connect timeout.
func TestSilentTLSBackendCostsOneConnectTimeout(t *testing.T) {
	id := newIdentity(t, "backend.example")
	silent := l4test.Serve(t, func(p *l4test.Peer) { <-p.Ended() })
	s := serve(t, func(s *Server) { s.BackendTLS, s.ConnectTimeout = id.backendTLS, 2*time.Second },
		silent.Addr(), serveTLS(t, id.server(), echoTLS))
	l4test.Dial(t, s.addr).Send("x").Expect("x").CloseWrite().ExpectEOF()
	if r := s.record(t, ClientClosed); len(r.Tries) != 2 || r.Tries[0].Result != pool.TimedOut {
		t.Errorf("tries %+v, want one timeout first", r.Tries)
	}
}

// 8 MiB each way at once, in all combinations of TLS.
func TestBulkOverTLS(t *testing.T) {
	id := newIdentity(t, "one.example")
	content := make([]byte, 8<<20)
	rand.Read(content)
	for name, c := range map[string]struct{ client, backend bool }{"client": {true, false}, "backend": {false, true}, "both": {true, true}} {
		t.Run(name, func(t *testing.T) {
			both := func(c interface {
				io.ReadWriter
				CloseWrite() error
			}) error {
				var sent sync.WaitGroup
				sent.Go(func() { c.Write(content); c.CloseWrite() })
				defer sent.Wait()
				got, err := io.ReadAll(c)
				if err == nil && !bytes.Equal(got, content) {
					err = errors.New("other bytes came")
				}
				return err
			}
			fault := make(chan error, 1)
			var b string
			if c.backend {
				b = serveTLS(t, id.server(), func(c *tls.Conn) { fault <- both(c); c.NetConn().Close() })
			} else {
				b = l4test.Serve(t, func(p *l4test.Peer) { fault <- both(p.Conn().(*net.TCPConn)) }).Addr()
			}
			s := serve(t, func(s *Server) {
				if c.client {
					id.ending(s)
				}
				if c.backend {
					s.BackendTLS = id.backendTLS
				}
			}, b)
			var err error
			if c.client {
				err = both(dialTLS(t, s.addr, id.client()))
			} else {
				err = both(l4test.Dial(t, s.addr).Conn().(*net.TCPConn))
			}
			if err = errors.Join(err, <-fault); err != nil {
				t.Error(err)
			}
			if r := <-s.records; !r.Cause.Clean() || r.ToClient != uint64(len(content)) || r.ToBackend != uint64(len(content)) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// The reply comes after the client's close_notify.
func TestHalfCloseOverTLS(t *testing.T) {
	id := newIdentity(t, "one.example")
	reply := strings.Repeat("reply ", 200_000)
	s := serve(t, id.ending, l4test.Serve(t, func(p *l4test.Peer) { p.Expect("ask").ExpectEOF().Send(reply).Close() }).Addr())
	c := dialTLS(t, s.addr, id.client())
	say(t, c, "ask")
	c.CloseWrite()
	got, err := io.ReadAll(c)
	if err != nil || string(got) != reply {
		t.Errorf("got %d bytes and %v, want %d", len(got), err, len(reply))
	}
	s.record(t, ClientClosed)
}

func TestBackendFinishesFirstOverTLS(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Serve(t, func(p *l4test.Peer) { p.Send("bye").CloseWrite().Expect("more").ExpectEOF() }).Addr())
	c := dialTLS(t, s.addr, id.client())
	if got, err := io.ReadAll(c); err != nil || string(got) != "bye" {
		t.Errorf("got %q and %v", got, err)
	}
	say(t, c, "more")
	c.CloseWrite()
	s.record(t, BackendClosed)
}

func TestTruncationIsMirroredAsReset(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Serve(t, func(p *l4test.Peer) { p.Expect("part").ExpectReset() }).Addr())
	c := dialTLS(t, s.addr, id.client())
	say(t, c, "part")
	c.NetConn().(*net.TCPConn).CloseWrite()
	s.record(t, ClientTruncated)

	// The client asks first: it has looked at its connection by then, and a reset that comes later drops no bytes.
	cut := serveTLS(t, id.server(), func(c *tls.Conn) {
		expect(t, c, "ask")
		io.WriteString(c, "part")
		c.NetConn().Close()
	})
	s = serve(t, func(s *Server) { s.BackendTLS, s.StrictBackendEOF = id.backendTLS, true }, cut)
	l4test.Dial(t, s.addr).Send("ask").Expect("part").ExpectReset()
	s.record(t, BackendTruncated)
}

// A backend that ends TLS by FIN alone has ended, unless that cuts a record. A client gets all that it said, and FIN;
// one that speaks TLS is not told that this was the whole.
func TestBackendEndsWithoutCloseNotify(t *testing.T) {
	id := newIdentity(t, "one.example")
	answer := strings.Repeat("answer ", 50_000)
	answering := func(half string) string {
		return serveTLS(t, id.server(), func(c *tls.Conn) {
			expect(t, c, "request")
			io.WriteString(c, answer)
			c.NetConn().Write([]byte(half))
			c.NetConn().(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c.NetConn()) // else its kernel would send a reset for what is unread
			c.NetConn().Close()
		})
	}
	whole, cut := answering(""), answering("\x17\x03\x03\x00\x40half a record")
	for _, c := range []struct {
		name, backend string
		secure        bool // the client speaks TLS
		finishes      bool // the client's stream ends before the backend's
		reset         bool // what the client sees
	}{
		{"a client in clear", whole, false, false, false},
		{"a client in clear that has finished", whole, false, true, false},
		{"a client in TLS", whole, true, false, false},
		{"a client in TLS that has finished", whole, true, true, false},
		{"a record is cut", cut, false, false, true},
		{"a record is cut, and the client speaks TLS", cut, true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, func(s *Server) {
				s.BackendTLS = id.backendTLS
				if c.secure {
					s.TLS = id.server()
				}
			}, c.backend)
			p := l4test.Dial(t, s.addr)
			if c.secure {
				p.Secure(tls.Client, id.client())
			}
			p.Send("request")
			if c.finishes {
				p.CloseWrite()
			}
			p.Expect(answer)
			switch {
			case c.reset:
				p.ExpectReset()
			case c.secure:
				p.ExpectTruncation()
			default:
				p.ExpectEOF()
			}
			p.Close()
			if r := s.record(t, BackendTruncated); r.FromBackend != uint64(len(answer)) || r.ToClient != r.FromBackend {
				t.Errorf("%d bytes of %d passed on, want all %d", r.ToClient, r.FromBackend, len(answer))
			}
		})
	}
}

// A backend's reset is no close_notify.
func TestResetReachesTLSClientAsOne(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Serve(t, func(p *l4test.Peer) { p.Expect("x").Send("part").Reset() }).Addr())
	c := dialTLS(t, s.addr, id.client())
	say(t, c, "x")
	expect(t, c, "part")
	if _, err := c.Read(make([]byte, 1)); !l4test.IsReset(err) {
		t.Errorf("got %v, want a reset", err)
	}
	s.record(t, BackendReset)
}

// A record that was tampered with ends the session; the backend gets a reset, the client one alert, and nothing after
// it.
func TestBadRecord(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Serve(t, func(p *l4test.Peer) { p.Expect("x").ExpectReset() }).Addr())
	c := dialTLS(t, s.addr, id.client())
	say(t, c, "x")
	raw := c.NetConn().(*net.TCPConn)
	say(t, raw, "\x17\x03\x03\x00\x20"+strings.Repeat("?", 32))
	if _, err := io.ReadAll(c); err == nil || !strings.Contains(err.Error(), "bad record MAC") {
		t.Errorf("got %v, want the alert bad_record_mac", err)
	}
	if n, err := raw.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the alert came %d bytes and %v, want the end", n, err)
	}
	if r := s.record(t, ClientTLSFault); !strings.Contains(r.ClientTLS.Fault, "MAC") {
		t.Errorf("%+v", r.ClientTLS)
	}
}

func TestFailedHandshake(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, func(s *Server) { s.TLS = id.server(); s.TLS.MinVersion = tls.VersionTLS13 }, l4test.Echo(t).Addr())
	c := tls.Client(l4test.Dial(t, s.addr).Conn(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if err := c.Handshake(); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("got %v, want the alert protocol_version", err)
	}
	if r := s.record(t, HandshakeFailed); r.ClientTLS.Fault == "" || r.Backend != "" {
		t.Errorf("%+v", r)
	}
}

// A certificate that is required and does not come: with TLS 1.3 the client has sent its request by the time it hears
// of that.
func TestClientWithoutCertificate(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, func(s *Server) {
		s.TLS = id.server()
		s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, id.roots
	}, l4test.Echo(t).Addr())
	c := dialTLS(t, s.addr, id.client())
	say(t, c, "x")
	if _, err := io.ReadAll(c); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("got %v, want the alert certificate_required", err)
	}
	if r := s.record(t, HandshakeFailed); r.Backend != "" {
		t.Errorf("a backend was connected: %+v", r)
	}
}

// What does not begin with a ClientHello is told so in words that its sender understands, or reset, and the Record says
// what it was.
func TestWhatIsNoHelloIsRefused(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Echo(t).Addr())
	for _, c := range []struct{ says, hears, fault string }{
		{"GET / HTTP/1.1\r\n\r\n", badRequest, "the client speaks HTTP"},
		{"SSH-2.0-client\r\n", "", "the client speaks SSH"},
		{"no TLS", "", "no handshake record"},
		{"\x16\x03\x01\x00\x05\x02\x00\x00\x01x", "\x15\x03\x01\x00\x02\x02\x0a", "malformed ClientHello: the first message is another one"},
		{"\x16\x03\x01\x40\x00\x01\x02\x00\x00", "\x15\x03\x01\x00\x02\x02\x32", "more than 64 KiB"},
		{"\x16\x03\x01\x40\x01\x01\x00\x20\x00", "\x15\x03\x01\x00\x02\x02\x16", "more than 16,384 bytes"},
		{"\x15\x03\x01\x00\x02\x02\x28", "", "an alert comes before it"},
	} {
		p := l4test.Dial(t, s.addr).Send(c.says)
		if c.hears == "" {
			p.ExpectReset()
		} else {
			p.Expect(c.hears).ExpectEOF()
			p.Send("more").AwaitAcked().Send("more").AwaitAcked().Close() // it is heard, and no reset comes
		}
		if r := s.record(t, NotTLS); !strings.Contains(r.Fault, c.fault) {
			t.Errorf("%q: fault %q, want one with %q", c.says, r.Fault, c.fault)
		}
	}
}

// A client that was told why it is refused is waited for, but not for ever, and not whatever it sends.
func TestDismissedClientsAreLeft(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Echo(t).Addr())
	l4test.Dial(t, s.addr).Send("GET / HTTP/1.1\r\n\r\n").Expect(badRequest).ExpectEOF()
	if r := s.record(t, NotTLS); r.Total < dismissWithin {
		t.Errorf("a client that stays was left after %v, want %v", r.Total, dismissWithin)
	}
	p := l4test.Dial(t, s.addr)
	if n, _ := io.Copy(p.Conn(), io.MultiReader(strings.NewReader("GET / HTTP/1.1\r\n\r\n"), io.LimitReader(zeros{}, 1<<30))); n > 64<<20 {
		t.Errorf("a client was let send %d bytes, want %d and what the kernel holds", n, dismissMost)
	}
	s.record(t, NotTLS)
}

// What looked like a ClientHello as far as it came was one.
func TestClientLeavesInItsHello(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Echo(t).Addr())
	l4test.Dial(t, s.addr).Send("\x16\x03\x01\x02").CloseWrite().ExpectReset()
	s.record(t, ClientLeft)
}

// Silent and trickling clients, before the hello and after it, are cut at the handshake timeout and keep nobody
// waiting, though only one handshake may compute.
func TestHandshakeTimeout(t *testing.T) {
	id := newIdentity(t, "one.example")
	const timeout = 2 * time.Second // more than a busy machine keeps a good client from its handshake
	s := serve(t, func(s *Server) {
		s.TLS, s.Handshakes, s.HandshakeTimeout = id.server(), 1, timeout
	}, l4test.Echo(t).Addr())
	for range 50 {
		l4test.Dial(t, s.addr)
		l4test.Dial(t, s.addr).Send("\x16\x03\x01\x02")
		half := l4test.Dial(t, s.addr)
		tls.Client(&firstOnly{Conn: half.Conn()}, id.client()).Handshake()
	}
	c := dialTLS(t, s.addr, id.client())
	say(t, c, "x")
	expect(t, c, "x")
	c.CloseWrite()
	causes := map[Cause]int{}
	for range 151 {
		r := <-s.records
		causes[r.Cause]++
		if r.Cause == HandshakeTimeout && r.Total < timeout {
			t.Errorf("cut after %v, want %v", r.Total, timeout)
		}
	}
	if causes[HandshakeTimeout]+causes[HelloTimeout] != 150 || causes[ClientClosed] != 1 {
		t.Errorf("%v", causes)
	}
}

// firstOnly sends one flight and fails then.
type firstOnly struct {
	net.Conn
	sent bool
}

func (f *firstOnly) Write(p []byte) (int, error) {
	if f.sent {
		return 0, errors.New("enough")
	}
	f.sent = true
	return f.Conn.Write(p)
}

func (f *firstOnly) Read([]byte) (int, error) { return 0, errors.New("enough") }

// A stop does not wait for handshakes, and leaves none behind.
func TestStopDuringHandshakes(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Echo(t).Addr())
	for range 20 {
		half := l4test.Dial(t, s.addr)
		tls.Client(&firstOnly{Conn: half.Conn()}, id.client()).Handshake()
	}
	l4test.Await(t, 10*time.Second, "the handshakes are under way", func() bool { return s.shaking.Load() == 20 })
	s.Stop()
	l4test.Await(t, 10*time.Second, "no handshake is left", func() bool { return s.shaking.Load() == 0 })
}

// What the socket refuses is held by the layer, in order.
func TestSlowReaderOverTLS(t *testing.T) {
	id := newIdentity(t, "one.example")
	content := strings.Repeat("0123456789abcdef", 1<<18)
	s := serve(t, id.ending, l4test.Serve(t, func(p *l4test.Peer) { p.Send(content).Close() }).Addr())
	c := dialTLS(t, s.addr, id.client())
	got := 0
	for buf := make([]byte, 64<<10); ; {
		n, err := c.Read(buf)
		if !strings.HasPrefix(content[got:], string(buf[:n])) {
			t.Fatalf("other bytes came at %d", got)
		}
		if got += n; err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if got != len(content) {
		t.Errorf("got %d bytes, want %d", got, len(content))
	}
	c.NetConn().Close()
	<-s.records
}

func TestRoutesByName(t *testing.T) {
	id := newIdentity(t, "a.example", "b.example")
	names := func(name string) *Route {
		p, err := pool.New(pool.Options{}, []pool.Config{backend(t, serveTLS(t, id.server(), func(c *tls.Conn) {
			io.WriteString(c, name)
			c.Close()
		}))})
		if err != nil {
			t.Fatal(err)
		}
		return &Route{Name: name, Pool: p}
	}
	plain := l4test.Serve(t, func(p *l4test.Peer) { p.Receive(6); p.Send("plain").Reset() })
	routes := &Routes{Protocols: map[string]*Route{"acme-tls/1": names("acme")}}
	routes.Names.Add("a.example", names("exact"))
	routes.Names.Add("*.example", names("wild"))
	s := serve(t, func(s *Server) { s.Routes = routes }, plain.Addr())
	for ask, want := range map[string]string{"a.example": "exact", "b.example": "wild", "c.d.example": "plain", "a.example acme-tls/1": "acme"} {
		name, protocol, _ := strings.Cut(ask, " ")
		config := &tls.Config{ServerName: name, InsecureSkipVerify: true}
		if protocol != "" {
			config.NextProtos = []string{protocol}
		}
		c := tls.Client(l4test.Dial(t, s.addr).Conn(), config)
		got, err := io.ReadAll(c)
		c.NetConn().Close()
		if want == "plain" {
			if r := <-s.records; err == nil || r.Route != "" {
				t.Errorf("%s: got %v by the route %q, want no TLS of the default pool", ask, err, r.Route)
			}
			continue
		}
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q and %v, want %q", ask, got, err, want)
		}
		if r := <-s.records; r.Route != want || r.ServerName != name || r.ClientTLS.Version != 0 {
			t.Errorf("%s: %+v", ask, r)
		}
	}
	l4test.Dial(t, s.addr).Send("no TLS").Expect("plain")
}

func TestNoRoute(t *testing.T) {
	var routes Routes
	routes.Names.Add(sni.Pattern("a.example"), &Route{})
	s := serve(t, func(s *Server) { s.Routes, s.Pool = &routes, nil }, l4test.Echo(t).Addr())
	l4test.Dial(t, s.addr).Send("no TLS").ExpectReset()
	if r := s.record(t, NoRoute); r.Fault != sni.ErrNotTLS.Error() {
		t.Errorf("fault %q, want %q", r.Fault, sni.ErrNotTLS)
	}
	l4test.Dial(t, s.addr).Send("\x16\x03\x01\x02").CloseWrite().ExpectReset()
	if r := s.record(t, NotTLS); r.Fault != errCutHello.Error() {
		t.Errorf("fault %q, want %q", r.Fault, errCutHello)
	}
	c := tls.Client(l4test.Dial(t, s.addr).Conn(), &tls.Config{ServerName: "b.example", InsecureSkipVerify: true})
	if err := c.Handshake(); err == nil {
		t.Error("a client for whom there is no route was served")
	}
	if r := s.record(t, NoRoute); r.Fault != "" {
		t.Errorf("fault %q of a ClientHello that is good", r.Fault)
	}
}

func TestHelloTimeout(t *testing.T) {
	var routes Routes
	s := serve(t, func(s *Server) { s.Routes, s.HelloTimeout = &routes, time.Second }, l4test.Echo(t).Addr())
	l4test.Dial(t, s.addr).Send("\x16\x03").ExpectReset()
	if r := s.record(t, HelloTimeout); r.FromClient != 2 || r.Total < time.Second {
		t.Errorf("%+v", r)
	}
}

func BenchmarkTLSExchange(b *testing.B) {
	id := newIdentity(b, "one.example")
	s := serve(b, id.ending, l4test.Serve(b, rawEcho).Addr())
	c := tls.Client(l4test.Dial(b, s.addr).Conn(), id.client())
	if err := c.Handshake(); err != nil {
		b.Fatal(err)
	}
	buf := []byte(strings.Repeat("x", 64))
	b.ReportAllocs()
	for b.Loop() { // the client's own end is counted, too
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
}
