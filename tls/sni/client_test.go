package sni

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// A tape is a connection whose other end has sent some bytes and gone. It keeps what is written to it.
type tape struct {
	in  io.Reader
	out bytes.Buffer
}

func (t *tape) Read(b []byte) (int, error)       { return t.in.Read(b) }
func (t *tape) Write(b []byte) (int, error)      { return t.out.Write(b) }
func (t *tape) Close() error                     { return nil }
func (t *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (t *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (t *tape) SetDeadline(time.Time) error      { return nil }
func (t *tape) SetReadDeadline(time.Time) error  { return nil }
func (t *tape) SetWriteDeadline(time.Time) error { return nil }

// clientHello returns what a crypto/tls client sends first.
func clientHello(t testing.TB, c *tls.Config) []byte {
	t.Helper()
	conn := &tape{in: bytes.NewReader(nil)}
	if err := tls.Client(conn, c).Handshake(); !errors.Is(err, io.EOF) {
		t.Fatalf("handshake with nobody: %v, want EOF", err)
	}
	return conn.out.Bytes()
}

// serverHello returns what a crypto/tls server takes from the same bytes, and whether it accepts them.
func serverHello(b []byte) (info *tls.ClientHelloInfo, ok bool) {
	stop := errors.New("seen")
	server := tls.Server(&tape{in: bytes.NewReader(b)}, &tls.Config{
		GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
			info = i
			return nil, stop
		},
	})
	err := server.HandshakeContext(context.Background())
	return info, errors.Is(err, stop)
}

// A sample is a hello of a crypto/tls client, and what is in it.
type sample struct {
	name  string
	bytes []byte
	want  Hello
}

func samples(t testing.TB) []sample {
	both, old := []uint16{tls.VersionTLS13, tls.VersionTLS12}, []uint16{tls.VersionTLS12}
	return []sample{
		{"default", clientHello(t, &tls.Config{ServerName: "db.example.com"}), Hello{ServerName: "db.example.com", Versions: both}},
		{"no name", clientHello(t, &tls.Config{InsecureSkipVerify: true}), Hello{Versions: both}},
		{"address", clientHello(t, &tls.Config{ServerName: "192.0.2.1"}), Hello{Versions: both}},
		{"upper case, dot", clientHello(t, &tls.Config{ServerName: "DB.Example.COM."}), Hello{ServerName: "db.example.com", Versions: both}},
		{"ALPN", clientHello(t, &tls.Config{ServerName: "a.example", NextProtos: []string{"h2", "http/1.1", "x"}}),
			Hello{ServerName: "a.example", Protocols: []string{"h2", "http/1.1", "x"}, Versions: both}},
		{"TLS 1.2", clientHello(t, &tls.Config{ServerName: "a.example", MaxVersion: tls.VersionTLS12}), Hello{ServerName: "a.example", Versions: old}},
		{"ECH", clientHello(t, &tls.Config{ServerName: "secret.example", MinVersion: tls.VersionTLS13, EncryptedClientHelloConfigList: echConfigs(t)}),
			Hello{ServerName: "public.example", Versions: []uint16{tls.VersionTLS13}, ECH: true}},
	}
}

// echConfigs returns an ECHConfigList (RFC 9849, section 4) with one configuration, for X25519, whose public name is
// public.example.
func echConfigs(t testing.TB) []byte {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	config := append([]byte{7, 0, 0x20, 0, 32}, key.PublicKey().Bytes()...)
	config = append(config, 0, 4, 0, 1, 0, 1, 32, 14)
	config = append(config, "public.example\x00\x00"...)
	list := binary.BigEndian.AppendUint16(nil, uint16(len(config)+4))
	list = append(list, 0xfe, 0x0d, 0, byte(len(config)))
	return append(list, config...)
}

// inRecords returns the handshake bytes of b in records of size bytes.
func inRecords(b []byte, size int) []byte {
	var message, records []byte
	for len(b) > 0 {
		n := int(binary.BigEndian.Uint16(b[3:]))
		message, b = append(message, b[headerSize:headerSize+n]...), b[headerSize+n:]
	}
	for len(message) > 0 {
		n := min(size, len(message))
		records = append(records, typeHandshake, 3, 1, byte(n>>8), byte(n))
		records, message = append(records, message[:n]...), message[n:]
	}
	return records
}
