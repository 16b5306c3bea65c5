package l4

import (
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"forebay/l4/l4test"
	"forebay/pool"
)

// brittle is a connection that ends after some bytes, with FIN or with RST.
type brittle struct {
	*net.TCPConn
	left  atomic.Int64
	reset bool
}

func newBrittle(conn net.Conn) *brittle {
	b := &brittle{TCPConn: conn.(*net.TCPConn), reset: rand.IntN(2) == 0}
	b.left.Store(rand.Int64N(4000))
	b.SetDeadline(time.Now().Add(patience))
	return b
}

func (b *brittle) Read(p []byte) (int, error)  { return b.move(p, b.TCPConn.Read) }
func (b *brittle) Write(p []byte) (int, error) { return b.move(p, b.TCPConn.Write) }

func (b *brittle) move(p []byte, do func([]byte) (int, error)) (int, error) {
	left := b.left.Add(-int64(len(p)))
	n, err := do(p[:max(0, min(len(p), len(p)+int(left)))])
	if left > 0 || err != nil {
		return n, err
	}
	if b.reset {
		b.SetLinger(0)
	}
	b.Close()
	return n, errors.New("enough")
}

// Clients and backends that break off anywhere in their handshakes take nobody with them and leave nothing behind.
func TestHandshakesThatBreakOff(t *testing.T) {
	id := newIdentity(t, "one.example")
	backends := make([]string, 3)
	for i := range backends {
		backends[i] = l4test.Serve(t, func(p *l4test.Peer) {
			conn := p.Conn()
			if i > 0 && rand.IntN(2) == 0 {
				conn = newBrittle(conn)
			}
			c := tls.Server(conn, id.server())
			c.SetDeadline(time.Now().Add(patience))
			echoTLS(c)
		}).Addr()
	}
	s := serve(t, func(s *Server) {
		s.TLS, s.BackendTLS, s.Loops = id.server(), id.backendTLS, 2
		s.HedgeAfter = time.Millisecond
	}, backends...)
	const clients = 100
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			c := tls.Client(newBrittle(l4test.Dial(t, s.addr).Conn()), id.client())
			c.Write([]byte("x"))
			io.ReadFull(c, make([]byte, 1))
			c.NetConn().Close()
		})
	}
	all.Wait()
	for range clients {
		select {
		case <-s.records:
		case <-time.After(patience):
			t.Fatal("a session has not ended")
		}
	}
	l4test.Await(t, patience, "no handshake is left", func() bool { return s.shaking.Load() == 0 })
	c := dialTLS(t, s.addr, id.client())
	say(t, c, "x")
	c.NetConn().Close()
}

// A client that does not like the certificate says so, and may reset right behind it.
func TestClientsAlertBeforeAReset(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Echo(t).Addr())
	p := l4test.Dial(t, s.addr)
	config := id.client()
	goOn := make(chan struct{})
	config.VerifyConnection = func(tls.ConnectionState) error {
		s.loops[0].post(func() { <-goOn }) // so that it finds the alert and the reset at once
		return errors.New("not one to my liking")
	}
	tls.Client(p.Conn(), config).Handshake()
	p.AwaitAcked().Reset()
	close(goOn)
	if r := s.record(t, HandshakeFailed); !strings.Contains(r.ClientTLS.Fault, "bad certificate") {
		t.Errorf("fault %q, want the client's alert", r.ClientTLS.Fault)
	}
}

// A backend that wants a certificate and gets none says so after our handshake, in TLS 1.3, and may reset right behind
// it. Whether the loop hears of the reset before the handshake's end or behind it, the log says why.
func TestBackendsAlertBehindTheHandshake(t *testing.T) {
	id := newIdentity(t, "one.example")
	var goOn atomic.Pointer[chan struct{}] // of the session that there is
	addr := l4test.Serve(t, func(p *l4test.Peer) {
		config := id.server()
		config.MinVersion, config.ClientAuth = tls.VersionTLS13, tls.RequireAnyClientCert
		tls.Server(p.Conn(), config).Handshake()
		p.AwaitAcked().Reset()
		close(*goOn.Load())
	}).Addr()
	var s *testServer
	s = serve(t, func(server *Server) {
		server.Tries = 1
		server.BackendTLS = func(*pool.Backend, string) *tls.Config {
			config, all := id.client(), *goOn.Load()
			config.VerifyConnection = func(tls.ConnectionState) error {
				s.loops[0].post(func() { <-all }) // so that it finds all of it at once
				return nil
			}
			return config
		}
	}, addr)
	failed := 0
	for range 20 {
		one := make(chan struct{})
		goOn.Store(&one)
		l4test.Dial(t, s.addr).ExpectResetSoon()
		r := <-s.records
		why := r.BackendTLS.Fault
		if r.Cause == ConnectFailed {
			failed++
			why = r.Tries[0].Fault
		}
		if !strings.Contains(why, "certificate required") {
			t.Errorf("%v with the fault %q, want the backend's alert; tries %+v", r.Cause, why, r.Tries)
		}
	}
	t.Logf("%d of 20 tries failed", failed)
}

// A client that shows far more certificates than there are up to a root is refused before any of them is looked at.
func TestTooManyCertificates(t *testing.T) {
	id := newIdentity(t, "one.example")
	var seen atomic.Int64
	s := serve(t, func(s *Server) {
		id.ending(s)
		s.TLS.ClientAuth, s.TLS.ClientCAs = tls.VerifyClientCertIfGiven, id.roots
		s.TLS.VerifyConnection = func(state tls.ConnectionState) error {
			seen.Add(int64(len(state.PeerCertificates)))
			return nil
		}
	}, l4test.Echo(t).Addr())
	show := func(certificates int) *tls.Conn {
		config := id.client()
		shown := id.certificate
		for len(shown.Certificate) < certificates {
			shown.Certificate = append(shown.Certificate, id.certificate.Certificate[0])
		}
		config.Certificates = []tls.Certificate{shown}
		return tls.Client(l4test.Dial(t, s.addr).Conn(), config)
	}
	good := show(10)
	say(t, good, "x")
	expect(t, good, "x")
	good.NetConn().Close()
	s.record(t, ClientTruncated)
	if n := seen.Swap(0); n != 10 {
		t.Fatalf("the server saw %d certificates, want 10", n)
	}
	bad := show(100)
	bad.SetDeadline(time.Now().Add(patience))
	if _, err := bad.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("the client that shows 100 reads %v, want a reset", err)
	}
	if r := s.record(t, HandshakeFailed); !strings.Contains(r.ClientTLS.Fault, "16 KiB") || seen.Load() != 0 {
		t.Errorf("fault %q with %d certificates seen, want that more than 16 KiB came, and none", r.ClientTLS.Fault, seen.Load())
	}
}

// A backend that ends within the handshake is told of as such.
func TestBackendCutsTheHandshake(t *testing.T) {
	id := newIdentity(t, "one.example")
	addr := l4test.Serve(t, func(p *l4test.Peer) { p.Receive(1); p.CloseWrite().ReceiveAll() }).Addr()
	s := serve(t, func(s *Server) { s.Tries, s.BackendTLS = 1, id.backendTLS }, addr)
	l4test.Dial(t, s.addr).ExpectResetSoon()
	if r := s.record(t, ConnectFailed); len(r.Tries) != 1 || r.Tries[0].Fault != errCut.Error() {
		t.Errorf("tries %+v, want one with the fault %q", r.Tries, errCut)
	}
}

// A handshake that fails is told of as Explain says, and one that does not fail not at all.
func TestFaultIsExplained(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, func(s *Server) {
		s.TLS = &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			Explain(hello, errors.New("it is not for "+hello.ServerName))
			if hello.ServerName == "two.example" {
				return nil, nil
			}
			return &id.certificate, nil
		}}
	}, l4test.Echo(t).Addr())
	two := id.client()
	two.ServerName = "two.example"
	if err := tls.Client(l4test.Dial(t, s.addr).Conn(), two).Handshake(); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("got %v, want the alert unrecognized_name", err)
	}
	if r := s.record(t, HandshakeFailed); r.ClientTLS.Fault != "it is not for two.example" {
		t.Errorf("fault %q, want what was said of it", r.ClientTLS.Fault)
	}
	one := dialTLS(t, s.addr, id.client())
	one.CloseWrite()
	one.Read(make([]byte, 1))
	if r := s.record(t, ClientClosed); r.ClientTLS.Fault != "" {
		t.Errorf("fault %q, want none", r.ClientTLS.Fault)
	}
	Explain(new(tls.ClientHelloInfo), errors.New("of nobody here"))
}
