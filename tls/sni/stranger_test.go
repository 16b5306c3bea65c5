package sni

import (
	"errors"
	"strings"
	"testing"
)

func TestStrangersAreNamed(t *testing.T) {
	for opening, want := range map[string]string{
		"GET / HTTP/1.1\r\n":                               "HTTP",
		"CONNECT a.example:443 HTTP/1.1\r\n":               "HTTP",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                 "HTTP/2 in clear",
		"SSH-2.0-OpenSSH_9.6\r\n":                          "SSH",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n":           "the PROXY protocol",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c":           "the PROXY protocol",
		"\x00\x00\x00\x08\x04\xd2\x16\x2f":                 "PostgreSQL (SSLRequest)",
		"\x00\x00\x00\x08\x04\xd2\x16\x30":                 "PostgreSQL (GSSENCRequest)",
		"\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01": "PostgreSQL (CancelRequest)",
		"\x00\x00\x00\x29\x00\x03\x00\x00user\x00":         "PostgreSQL",
		"EHLO me\r\n":                            "SMTP",
		"*1\r\n$4\r\nPING\r\n":                   "Redis",
		"\x10\x0e\x00\x04MQTT\x04\x02":           "MQTT",
		"\x05\x02\x00\x02":                       "SOCKS 5",
		"\x04\x01\x00\x50\xc0\x00\x02\x01me\x00": "SOCKS 4",
		"\x03\x00\x00\x13\x0e\xe0\x00\x00":       "RDP",
		"\x00\x00\x00\x45\xffSMBr":               "SMB",
		"\x30\x0c\x02\x01\x01\x60\x07":           "LDAP",
		"AMQP\x00\x00\x09\x01":                   "AMQP",
		"\x3a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00": "MongoDB",
		"\x16\xfe\xfd\x00\x00":             "DTLS",
		"\x80\x2e\x01\x03\x01\x00\x15\x00": "SSL 2, with which some began TLS in the nineties",
	} {
		for _, n := range []int{0, 3} { // and with more behind it
			_, err := new(Parser).Parse([]byte(opening + strings.Repeat("\x00", n)))
			if n > 0 && strings.HasPrefix(want, "SOCKS 5") {
				continue
			}
			if !errors.Is(err, ErrNotTLS) || err.Error() != "not TLS: the client speaks "+want {
				t.Errorf("%q: got %v, want %s", opening, err, want)
			}
		}
	}
	for _, opening := range []string{"G", "\x00", "\x00\x00\x00\x08\x00", "\x05", "\xff\xff\xff\xff", "hello"} {
		if _, err := new(Parser).Parse([]byte(opening)); err != ErrNotTLS {
			t.Errorf("%q: got %v, want %v", opening, err, ErrNotTLS)
		}
	}
}

func TestAlerts(t *testing.T) {
	for _, c := range []struct {
		what string
		b    string
		want Alert
	}{
		{"HTTP", "GET / HTTP/1.1\r\n", 0},
		{"no protocol that is known", "hello", 0},
		{"SSL 2", "\x80\x2e\x01\x03\x01", ProtocolVersion},
		{"an alert", "\x15\x03\x01\x00\x02\x01\x00", 0},
		{"data", "\x17\x03\x01", UnexpectedMessage},
		{"an empty record", "\x16\x03\x01\x00\x00", UnexpectedMessage},
		{"a record that is too long", "\x16\x03\x01\x40\x01", RecordOverflow},
		{"another message", "\x16\x03\x01\x00\x04\x02", UnexpectedMessage},
		{"a hello that is too long", "\x16\x03\x01\x40\x00\x01\xff\x00\x00", DecodeError},
		{"a hello that is too short", string(record(1, 0, 0, 1, 3)), DecodeError},
		{"half a hello", "\x16\x03\x01\x40\x00\x01", 0},
	} {
		_, err := new(Parser).Parse([]byte(c.b))
		if got := AlertFor(err); got != c.want {
			t.Errorf("%s: got alert %d for %v, want %d", c.what, got, err, c.want)
		}
	}
	if got := string(DecodeError.Record()); got != "\x15\x03\x01\x00\x02\x02\x32" {
		t.Errorf("got record %x", got)
	}
}
