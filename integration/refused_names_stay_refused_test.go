package integration

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// secretName is refused by a route. The certificate for it shows that a server has read this name.
const secretName = "secret.example"

// disguises are hellos that ask for secretName so that one reader sees another name, or none, and a server behind it
// this one. They are of TLS 1.2, in which the server's certificate is seen.
func disguises(t testing.TB) (all []probe) {
	t.Helper()
	hello := func(name string) []byte {
		stand := strings.Repeat("x", len(name)) // crypto/tls would not send all names
		b := helloOf(t, &tls.Config{ServerName: stand, MaxVersion: tls.VersionTLS12})
		return bytes.Replace(b, []byte(stand), []byte(name), 1)
	}
	add := func(name string, parts ...[]byte) {
		all = append(all, probe{name: name, bytes: bytes.Join(parts, nil)})
	}
	plain := hello(secretName)
	message := plain[5:]
	record := func(b []byte) []byte { return recordOf(handshakeRecord, tls10, b) }
	add("as it is", plain)
	for _, n := range []string{"SECRET.example", "secret.example.", "secret.example:443", "secret.example\x00", "secret.example ", "secret.example/", "secret.example%",
		"secret.example\x00.other.example", "\uff53ecret.example", ".secret.example", "secret.example..", " secret.example", "x@secret.example", "[secret.example]"} {
		add(fmt.Sprintf("named %q", n), hello(n))
	}
	add("an empty record before it", record(nil), plain)
	add("empty records before it", bytes.Repeat(record(nil), 5), plain)
	add("an empty record within it", record(message[:9]), record(nil), record(message[9:]))
	for _, version := range []uint16{0x0300, 0x0303, 0x0304, 0x03ff, 0x0200, 0x0000, 0x0f00} {
		add(fmt.Sprintf("record version %#04x", version), recordOf(handshakeRecord, version, message))
		add(fmt.Sprintf("record version %#04x later", version), record(message[:9]), recordOf(handshakeRecord, version, message[9:]))
	}
	for _, level := range []byte{1, 2} {
		alert := recordOf(alertRecord, tls10, []byte{level, 90})
		add(fmt.Sprintf("an alert of level %d before it", level), alert, plain)
		add(fmt.Sprintf("an alert of level %d and version 2 before it", level), recordOf(alertRecord, 0x0200, []byte{level, 90}), plain)
		add(fmt.Sprintf("an alert of level %d within it", level), record(message[:9]), alert, record(message[9:]))
	}
	for _, kind := range []byte{20, 23, 24} {
		for _, content := range [][]byte{nil, {1}} {
			add(fmt.Sprintf("a record of type %d with %x before it", kind, content), recordOf(kind, 0x0303, content), plain)
			add(fmt.Sprintf("a record of type %d with %x within it", kind, content), record(message[:9]), recordOf(kind, 0x0303, content), record(message[9:]))
		}
	}
	add("records of a byte", func() (b []byte) {
		for _, c := range message {
			b = append(b, record([]byte{c})...)
		}
		return b
	}())
	sniOf := func(entries string) []byte {
		list := append([]byte{byte(len(entries) >> 8), byte(len(entries))}, entries...)
		return append([]byte{0, 0, byte(len(list) >> 8), byte(len(list))}, list...)
	}
	entry := func(name string) string { return "\x00" + string([]byte{0, byte(len(name))}) + name }
	secret, other := entry(secretName), entry("other.example.com")
	for name, extensions := range map[string][]byte{
		"another name first":           append(sniOf(other), sniOf(secret)...),
		"another name last":            append(sniOf(secret), sniOf(other)...),
		"two names, the other first":   sniOf(other + secret),
		"two names, the other last":    sniOf(secret + other),
		"another kind of name first":   sniOf("\x01\x00\x01x" + secret),
		"bytes behind the list":        append([]byte{0, 0, 0, byte(len(secret) + 4), 0, byte(len(secret))}, secret+"xx"...),
		"a list that is longer":        append([]byte{0, 0, 0, byte(len(secret) + 2), 0, byte(len(secret) + 2)}, secret...),
		"a hello of some 60 KiB":       append(append([]byte{0, 21, 0xf0, 0}, make([]byte, 0xf000)...), sniOf(secret)...),
		"the same behind many records": append([]byte{0, 21, 0, 0}, sniOf(secret)...),
	} {
		add(name, inRecordsOf(withExtensions(message, sniOf(secret), extensions)))
	}
	room := 0xffff - 4 - len(message[extensionsAt(message):]) // of what two bytes can tell
	padding := append([]byte{0, 21, byte(room >> 8), byte(room)}, make([]byte, room)...)
	add("a hello of more than 64 KiB", inRecordsOf(withExtensions(message, nil, padding)))
	return all
}

// extensionsAt tells where the extensions of a hello begin in its message (RFC 8446, section 4.1.2).
func extensionsAt(message []byte) int {
	at := 4 + 2 + 32
	at += 1 + int(message[at])                         // session ID
	at += 2 + int(message[at])<<8 + int(message[at+1]) // cipher suites
	return at + 1 + int(message[at]) + 2               // compression methods, and the extensions' size
}

// withExtensions returns the message of a hello with other extensions, before all others, in the place of one that it
// has.
func withExtensions(message, old, extensions []byte) []byte {
	at := extensionsAt(message)
	all := append(bytes.Clone(extensions), bytes.Replace(message[at:], old, nil, 1)...)
	body := append(bytes.Clone(message[4:at-2]), byte(len(all)>>8), byte(len(all)))
	return messageOf(helloMessage, append(body, all...))
}

// inRecordsOf cuts a message into records as long as may be.
func inRecordsOf(message []byte) (wire []byte) {
	for len(message) > 0 {
		n := min(len(message), 1<<14)
		wire = append(wire, recordOf(handshakeRecord, tls10, message[:n])...)
		message = message[n:]
	}
	return wire
}

// serverFlight returns what comes in answer to a disguise, until the certificate is there or nothing more comes.
func serverFlight(t testing.TB, addr string, d probe) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	conn.Write(d.bytes)
	conn.(*net.TCPConn).CloseWrite() // a server that waits for more ends
	var said []byte
	buf := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buf)
		said = append(said, buf[:n]...)
		if err != nil || bytes.Contains(said, []byte(secretMark)) {
			return said
		}
	}
}

// secretMark is the common name in the certificate for secretName.
const secretMark = "mark-of-the-secret"

// A name that a route refuses is not reached by the route for the rest, however a client writes it: not with OpenSSL,
// nginx or Go behind it, each of which reads some hellos that are no good by the letter.
func TestRefusedNamesStayRefused(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	open := a.Issue("open", l4test.Leaf{CommonName: "open", Names: []string{"open.example"}})
	secret := a.Issue("secret", l4test.Leaf{CommonName: secretMark, Names: []string{secretName}})
	all := disguises(t)
	for name, serving := range map[string]func(t testing.TB) (addr string){
		"OpenSSL": func(t testing.TB) string {
			port := freePort(t)
			serveQuietly(t, exec.Command(need(t, "openssl"), "s_server", "-accept", local(port), "-cert", open.CertFile, "-key", open.KeyFile,
				"-cert2", secret.CertFile, "-key2", secret.KeyFile, "-servername", secretName, "-quiet"), local(port))
			return local(port)
		},
		"nginx": func(t testing.TB) string {
			port := freePort(t)
			serveQuietly(t, nginx(t, fmt.Sprintf(`
http {
	access_log off;
	client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
	ssl_protocols TLSv1.2;
	server { listen %[1]s ssl; ssl_certificate %[2]s; ssl_certificate_key %[3]s; }
	server { listen %[1]s ssl; server_name %[6]s; ssl_certificate %[4]s; ssl_certificate_key %[5]s; }
}`, local(port), open.CertFile, open.KeyFile, secret.CertFile, secret.KeyFile, secretName)), local(port))
			return local(port)
		},
		"Go": func(t testing.TB) string {
			config := open.Server()
			config.Certificates = append(config.Certificates, secret.Server().Certificates...)
			return bareTLS(t, config)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serving(t)
			f := start(t, "--route", secretName+"=refuse", "--route", "*="+server)
			var let []string
			for _, d := range all {
				if !bytes.Contains(serverFlight(t, server, d), []byte(secretMark)) {
					continue // the server does not take it for that name
				}
				let = append(let, d.name)
				if said := serverFlight(t, f.Addr(), d); bytes.Contains(said, []byte(secretMark)) {
					t.Errorf("%s: the refused name is served", d.name)
				}
			}
			if len(let) < 3 {
				t.Errorf("the server reads the name in %q only: nothing is tested", let)
			}
			t.Logf("%d of %d disguises mean something to the server: %q", len(let), len(all), let)
		})
	}
}
