package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

// newTestIdentity returns an identity for the length of the test and a server's configuration with it.
func newTestIdentity(t *testing.T) (*identity, *tls.Config) {
	t.Helper()
	id, err := newIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(id.certFile, id.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return id, &tls.Config{Certificates: []tls.Certificate{pair}}
}

// A tlsScript answers everything over TLS, and counts.
type tlsScript struct {
	addr                    string
	conns, resumed, answers atomic.Int64
}

func startTLSScript(t *testing.T, config *tls.Config) *tlsScript {
	t.Helper()
	s := &tlsScript{}
	s.addr = startScript(t, func(_ int, plain net.Conn) {
		conn := tls.Server(plain, config)
		if conn.Handshake() != nil {
			plain.Close()
			return
		}
		s.conns.Add(1)
		if conn.ConnectionState().DidResume {
			s.resumed.Add(1)
		}
		for answer(conn) {
			s.answers.Add(1)
		}
	})
	return s
}

func TestIdentityIsP256ForTheServerName(t *testing.T) {
	id, config := newTestIdentity(t)
	leaf, err := x509.ParseCertificate(id.certificate)
	if err != nil {
		t.Fatal(err)
	}
	if err := leaf.VerifyHostname(serverName); err != nil {
		t.Error(err)
	}
	if got, want := leaf.SignatureAlgorithm, x509.ECDSAWithSHA256; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := string(config.Certificates[0].Certificate[0]); got != string(id.certificate) {
		t.Error("the file has another certificate")
	}
}

func TestTLSExchanges(t *testing.T) {
	id, config := newTestIdentity(t)
	for _, test := range []struct {
		name           string
		job            job
		conns, resumed int64
		held           int
	}{
		{"kept", job{}, 4, 0, 4},
		{"fresh", job{Fresh: true}, 4 + 8 + 40, 0, 0},
		{"resumed", job{Fresh: true, Resume: true}, 4 + 8 + 40, 8 + 40, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startTLSScript(t, config)
			j := test.job
			j.Verb, j.Kind, j.Addr, j.Certificate = "prepare", "exchange", s.addr, id.certificate
			j.Conns, j.Warm, j.Count = 4, 8, 40
			r := runJob(t, j)
			if r.Done != 40 || r.Failed != 0 || r.Held != test.held {
				t.Errorf("got %+v, want 40 done, 0 failed, %d held", r, test.held)
			}
			if got := s.conns.Load(); got != test.conns {
				t.Errorf("got %d connections, want %d", got, test.conns)
			}
			if got := s.resumed.Load(); got != test.resumed {
				t.Errorf("got %d resumed, want %d", got, test.resumed)
			}
		})
	}
}

// runJob does j from prepare to close and returns what wait says.
func runJob(t *testing.T, j job) result {
	t.Helper()
	l := &loader{}
	defer l.close()
	for _, verb := range []job{j, {Verb: "start"}} {
		if _, err := l.do(verb); err != nil {
			t.Fatal(err)
		}
	}
	r, err := l.do(job{Verb: "wait"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTLSHoldAsksOnlyWhenRun(t *testing.T) {
	id, config := newTestIdentity(t)
	s := startTLSScript(t, config)
	l := &loader{}
	defer l.close()
	r, err := l.do(job{Verb: "prepare", Kind: "hold", Addr: s.addr, Certificate: id.certificate, Conns: 20})
	if err != nil || r.Held != 20 || s.answers.Load() > 0 {
		t.Fatalf("got %+v, %v, %d answers; want 20 held, none asked", r, err, s.answers.Load())
	}
	for range 2 {
		l.do(job{Verb: "start"})
		if r, err := l.do(job{Verb: "wait"}); err != nil || r.Done != 20 || r.Held != 20 {
			t.Errorf("got %+v, %v, want 20 asked and held", r, err)
		}
	}
	if got := s.conns.Load(); got != 20 {
		t.Errorf("got %d connections, want 20", got)
	}
}

// TestTLSHoldCountsWhatIsAnswered: a server that answers on its first connection, ends the second after the handshake
// and all others before it.
func TestTLSHoldCountsWhatIsAnswered(t *testing.T) {
	id, config := newTestIdentity(t)
	addr := startScript(t, func(n int, plain net.Conn) {
		defer plain.Close()
		if n > 1 {
			return
		}
		conn := tls.Server(plain, config)
		conn.Handshake()
		for n == 0 && answer(conn) {
		}
	})
	r := runJob(t, job{Verb: "prepare", Kind: "hold", Addr: addr, Certificate: id.certificate, Conns: 4})
	if r.Done != 1 || r.Held != 1 || r.Failed != 1 {
		t.Errorf("got %+v, want the two that were held asked, 1 done and held, 1 failed", r)
	}
}

func TestTLSAnswerToAnotherRequestFails(t *testing.T) {
	id, config := newTestIdentity(t)
	addr := startScript(t, func(_ int, plain net.Conn) {
		conn := tls.Server(plain, config)
		conn.Read(make([]byte, requestSize))
		conn.Write([]byte(strings.Repeat("x", answerSize)))
	})
	c := newTLSClient(addr, id.certificate)
	defer c.close()
	err := c.exchange(7, tlsPatience)
	if err == nil || !strings.Contains(err.Error(), "does not answer request 7") || c.conn != nil {
		t.Errorf("got %v, connection %v, want an error and no connection", err, c.conn)
	}
}

func TestTLSBulk(t *testing.T) {
	id, config := newTestIdentity(t)
	addr := startScript(t, func(_ int, plain net.Conn) {
		conn := tls.Server(plain, config)
		defer conn.Close()
		var request [requestSize]byte
		for {
			if _, err := conn.Read(request[:]); err != nil {
				return
			}
			_, size := parseRequest(request[:])
			writeBulk(conn, make([]byte, 1000), int64(size))
		}
	})
	r := runJob(t, job{Verb: "prepare", Kind: "bulk", Addr: addr, Certificate: id.certificate, Conns: 2, Count: 5, Size: 1 << 20})
	if r.Done != 5 || r.Failed != 0 || r.Bytes != 5<<20 {
		t.Errorf("got %+v, want 5 blocks of 1 MiB", r)
	}
}

// TestTLSThatIsNotAsAgreedFails has servers that would make a comparison unfair.
func TestTLSThatIsNotAsAgreedFails(t *testing.T) {
	id, good := newTestIdentity(t)
	_, other := newTestIdentity(t)
	tickets := good.Clone()
	tickets.SessionTicketsDisabled = true
	old := good.Clone()
	old.MaxVersion = tls.VersionTLS12
	group := good.Clone()
	group.CurvePreferences = []tls.CurveID{tls.CurveP256}
	tests := []struct {
		name   string
		server *tls.Config
		want   string
	}{
		{"no tickets", tickets, "got resumed false, want true"},
		{"old version", old, "protocol version not supported"},
		{"other group", group, "handshake failure"},
		{"other certificate", other, "got another certificate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := startTLSScript(t, test.server)
			j := job{Verb: "prepare", Kind: "exchange", Addr: s.addr, Certificate: id.certificate, Conns: 2, Warm: 4, Fresh: true, Resume: true}
			_, err := (&loader{}).do(j)
			if err == nil || !strings.Contains(err.Error(), "warm up: TLS handshake: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	c := newTLSClient("", []byte("certificate"))
	good := tls.ConnectionState{
		Version: tls.VersionTLS13, CurveID: tls.X25519, CipherSuite: tls.TLS_AES_128_GCM_SHA256,
		PeerCertificates: []*x509.Certificate{{Raw: []byte("certificate")}},
	}
	if err := c.check(good); err != nil {
		t.Errorf("as agreed: %v", err)
	}
	for want, change := range map[string]func(*tls.ConnectionState){
		"got TLS 1.2, want TLS 1.3":               func(s *tls.ConnectionState) { s.Version = tls.VersionTLS12 },
		"got key exchange CurveP256, want X25519": func(s *tls.ConnectionState) { s.CurveID = tls.CurveP256 },
		"got cipher suite TLS_AES_256_GCM_SHA384": func(s *tls.ConnectionState) { s.CipherSuite = tls.TLS_AES_256_GCM_SHA384 },
		"got another certificate":                 func(s *tls.ConnectionState) { s.PeerCertificates = nil },
		"got resumed true, want false":            func(s *tls.ConnectionState) { s.DidResume = true },
	} {
		s := good
		change(&s)
		if err := c.check(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestTLSWorkersEndAtTheirFirstFailure: or a program that hangs would cost the load's patience for each exchange.
func TestTLSWorkersEndAtTheirFirstFailure(t *testing.T) {
	var calls atomic.Int64
	r := (&tlsLoad{}).run(100, 3, func(int, int) error {
		calls.Add(1)
		return errStalled
	})
	if calls.Load() != 3 || r.Done != 0 || r.Failed != 3 || r.LastError != errStalled.Error() {
		t.Errorf("got %+v of %d calls, want 3 failed of 3", r, calls.Load())
	}
}

func TestTLSExchangesHaveNoRate(t *testing.T) {
	_, err := (&loader{}).do(job{Verb: "prepare", Kind: "exchange", Certificate: []byte("x"), Rate: 10})
	if err == nil || !strings.Contains(err.Error(), "no rate") {
		t.Errorf("got %v, want an error", err)
	}
}
