package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// What all programs are compared with. The load offers this version and this group alone; of the suites, which
// crypto/tls does not let a client choose for TLS 1.3, the programs are told to take this one.
const (
	tlsVersion = tls.VersionTLS13
	tlsGroup   = tls.X25519
	tlsSuite   = tls.TLS_AES_128_GCM_SHA256
)

// suiteName returns the suite's name as RFC 8446 has it, and OpenSSL too.
func suiteName() string { return tls.CipherSuiteName(tlsSuite) }

// A tlsClient is one client of a program that ends TLS: a connection, or the place of one.
type tlsClient struct {
	addr        string
	certificate []byte // that the program must show, as DER
	config      *tls.Config
	opened      int       // connections so far
	conn        *tls.Conn // nil: none is open
}

// newTLSClient returns a client of the program at addr. The caller closes it.
func newTLSClient(addr string, certificate []byte) *tlsClient {
	return &tlsClient{addr: addr, certificate: certificate, config: &tls.Config{
		ServerName:       serverName,
		MinVersion:       tlsVersion,
		MaxVersion:       tlsVersion,
		CurvePreferences: []tls.CurveID{tlsGroup},
		// check wants the one certificate that is known.
		InsecureSkipVerify: true,
	}}
}

// resume makes c resume its last session from its second connection on.
func (c *tlsClient) resume() { c.config.ClientSessionCache = tls.NewLRUClientSessionCache(1) }

// dial returns a connection that has shaken hands as it should, within limit, and has no deadline. The caller closes
// it.
func (c *tlsClient) dial(limit time.Duration) (*tls.Conn, error) {
	deadline := time.Now().Add(limit)
	plain, err := net.DialTimeout("tcp", c.addr, limit)
	if err != nil {
		return nil, err
	}
	plain.SetDeadline(deadline)
	conn := tls.Client(plain, c.config)
	if err = conn.Handshake(); err == nil {
		err = c.check(conn.ConnectionState())
	}
	if err != nil {
		plain.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	c.opened++
	return conn, plain.SetDeadline(time.Time{})
}

// check says what is not as in all the connections that the programs are compared by.
func (c *tlsClient) check(s tls.ConnectionState) error {
	resumes := c.opened > 0 && c.config.ClientSessionCache != nil
	switch {
	case s.Version != tlsVersion:
		return fmt.Errorf("got %s, want %s", tls.VersionName(s.Version), tls.VersionName(tlsVersion))
	case s.CurveID != tlsGroup:
		return fmt.Errorf("got key exchange %v, want %v", s.CurveID, tlsGroup)
	case s.CipherSuite != tlsSuite:
		return fmt.Errorf("got cipher suite %s, want %s", tls.CipherSuiteName(s.CipherSuite), suiteName())
	case len(s.PeerCertificates) != 1 || !bytes.Equal(s.PeerCertificates[0].Raw, c.certificate):
		return errors.New("got another certificate than all programs were given")
	case s.DidResume != resumes:
		return fmt.Errorf("got resumed %v, want %v", s.DidResume, resumes)
	}
	return nil
}

// open opens the connection, if it is not.
func (c *tlsClient) open(limit time.Duration) error {
	if c.conn != nil {
		return nil
	}
	conn, err := c.dial(limit)
	if err == nil {
		c.conn = conn
	}
	return err
}

// exchange does the exchange with the given number within limit, on a connection that it opens if there is none. A
// connection that failed is closed.
func (c *tlsClient) exchange(number int, limit time.Duration) error {
	if err := c.open(limit); err != nil {
		return err
	}
	c.conn.SetDeadline(time.Now().Add(limit))
	err := exchange(c.conn, uint64(number))
	if err != nil {
		c.close()
	}
	return err
}

// close ends the connection, if there is one, with a close_notify.
func (c *tlsClient) close() {
	if c.conn != nil {
		c.conn.Close()
	}
	c.conn = nil
}

// exchange does the exchange with the given number on conn.
func exchange(conn net.Conn, number uint64) error {
	var request [requestSize]byte
	putRequest(request[:], exchangeKind, number)
	if _, err := conn.Write(request[:]); err != nil {
		return fmt.Errorf("send the request: %w", err)
	}
	var answer [answerSize]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if !answers(answer[:], number) {
		return fmt.Errorf("read the answer: it does not answer request %d", number)
	}
	return nil
}
