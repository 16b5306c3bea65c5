package sni

import (
	"bytes"
	"encoding/binary"
)

// stranger is an ErrNotTLS for a client that speaks another protocol; its value is the protocol's name.
type stranger string

func (s stranger) Error() string { return "not TLS: the client speaks " + string(s) }

// Is makes errors.Is(s, ErrNotTLS) true.
func (stranger) Is(target error) bool { return target == ErrNotTLS }

// Strangers that get an answer of their own.
const (
	// ErrHTTP is the ErrNotTLS of a client that speaks HTTP in clear.
	ErrHTTP = stranger("HTTP")
	errSSL2 = stranger("SSL 2, with which some began TLS in the nineties")
)

// notTLS returns the ErrNotTLS for a client that begins with b.
func notTLS(b []byte) error {
	for _, p := range openings {
		if bytes.HasPrefix(b, []byte(p.opening)) {
			return p.stranger
		}
	}
	for _, p := range shapes {
		if p.fits(b) {
			return p.stranger
		}
	}
	return ErrNotTLS
}

// openings are the first bytes of clients of other protocols, of those protocols whose clients speak first.
var openings = [...]struct {
	opening  string
	stranger stranger
}{
	{"GET ", ErrHTTP}, {"HEAD ", ErrHTTP}, {"POST ", ErrHTTP}, {"PUT ", ErrHTTP}, {"DELETE ", ErrHTTP},
	{"OPTIONS ", ErrHTTP}, {"PATCH ", ErrHTTP},
	{"TRACE ", ErrHTTP}, {"CONNECT ", ErrHTTP}, {"PROPFIND ", ErrHTTP}, {"REPORT ", ErrHTTP}, {"MKCOL ", ErrHTTP},
	{"PRI * HTTP/2", "HTTP/2 in clear"},
	{"SSH-", "SSH"},
	{"PROXY ", "the PROXY protocol"}, {"\r\n\r\n\x00\r\nQUIT\n", "the PROXY protocol"},
	{"EHLO ", "SMTP"}, {"HELO ", "SMTP"}, {"LHLO ", "LMTP"},
	{"PING\r\n", "Redis"}, {"<stream:stream", "XMPP"}, {"<?xml", "XMPP"},
	{"AMQP\x00", "AMQP"}, {"AMQP\x03", "AMQP"},
	{"\x16\xfe", "DTLS"}, // its versions count down from there (RFC 9147, section 4)
}

// shapes are the strangers whose mark is not at the beginning.
var shapes = [...]struct {
	stranger stranger
	fits     func(b []byte) bool
}{
	{errSSL2, func(b []byte) bool {
		return len(b) > 4 && b[0]&0x80 != 0 && b[2] == typeClientHello && b[3] <= majorVersion
	}},
	{"PostgreSQL (SSLRequest)", func(b []byte) bool { return postgresCode(b) == 80877103 }},
	{"PostgreSQL (GSSENCRequest)", func(b []byte) bool { return postgresCode(b) == 80877104 }},
	{"PostgreSQL (CancelRequest)", func(b []byte) bool { return postgresCode(b) == 80877102 }},
	{"PostgreSQL", func(b []byte) bool { return postgresCode(b)>>16 == 3 }},
	{"Redis", func(b []byte) bool {
		return len(b) > 3 && b[0] == '*' && bytes.Contains(b[:min(len(b), 8)], []byte("\r\n$"))
	}},
	{"MQTT", func(b []byte) bool { return len(b) > 8 && b[0] == 0x10 && bytes.Contains(b[2:9], []byte("MQ")) }},
	{"MongoDB", func(b []byte) bool {
		return len(b) >= 16 &&
			(binary.LittleEndian.Uint32(b[12:]) == 2013 || binary.LittleEndian.Uint32(b[12:]) == 2004)
	}},
	{"RDP", func(b []byte) bool { return len(b) > 5 && b[0] == 3 && b[1] == 0 && b[5] == 0xe0 }},
	{"SMB", func(b []byte) bool { return len(b) > 7 && b[0] == 0 && bytes.Equal(b[5:8], []byte("SMB")) }},
	{"LDAP", func(b []byte) bool { return len(b) > 4 && b[0] == 0x30 && b[2] == 2 && b[3] == 1 }},
	{"SOCKS 5", func(b []byte) bool { return len(b) > 2 && b[0] == 5 && len(b) == 2+int(b[1]) }},
	{"SOCKS 4", func(b []byte) bool { return len(b) > 8 && b[0] == 4 && (b[1] == 1 || b[1] == 2) && b[len(b)-1] == 0 }},
}

// postgresCode returns the code of a PostgreSQL message without a type, or 0. In a StartupMessage the code is a version
// (PostgreSQL manual, section "Message Formats").
func postgresCode(b []byte) uint32 {
	if len(b) < 8 || b[0] != 0 || b[1] != 0 {
		return 0
	}
	return binary.BigEndian.Uint32(b[4:])
}
