package main

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// secure opens a TLS session, which has carried text both ways unless that is empty.
func (r *running) secure(c *tls.Config, text string) (*tls.Conn, error) {
	r.t.Helper()
	conn, err := tls.Dial("tcp", r.address, c)
	if err != nil {
		return nil, err
	}
	r.t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		return nil, err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil {
		return nil, err
	}
	if string(got) != text {
		r.t.Errorf("got %q, want %q", got, text)
	}
	return conn, nil
}

// stop ends the process, and returns its access log.
func (r *running) stop() (lines []map[string]any) {
	r.t.Helper()
	r.signals <- syscall.SIGTERM
	r.ends(exitDone)
	decoder := json.NewDecoder(r.stdout)
	for {
		var line map[string]any
		if decoder.Decode(&line) != nil {
			return lines
		}
		lines = append(lines, line)
	}
}

// greeter is a TLS server that says its name to whoever comes, and hears him out.
func greeter(t testing.TB, name string, c *tls.Config) (address string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, name)
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func (i *identity) serves() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{i.leaf.Raw}, PrivateKey: i.key}}}
}

func TestServesTLS(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.pair("site", ca, year, "www.example.com")
	r := start(t, f.args("-l 127.0.0.1:0 --tls-cert $D/site.pem --tls-key $D/site.key --alpn h2")...)
	client := ca.trusts("www.example.com")
	client.NextProtos = []string{"h2"}
	conn, err := r.secure(client, "hello")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	lines := r.stop()
	if len(lines) != 1 {
		t.Fatalf("got %v, want one session", lines)
	}
	spoken, _ := lines[0]["client_tls"].(map[string]any)
	if lines[0]["server_name"] != "www.example.com" || spoken["version"] != "1.3" || spoken["alpn"] != "h2" || lines[0]["cause"] != "client-closed" {
		t.Errorf("got %v", lines[0])
	}
}

// A renewed certificate serves at once. A broken pair does not take its place, and that is said once.
func TestCertificatesAreRenewed(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.pair("site", ca, week, "www.example.com")
	r := start(t, f.args("-l 127.0.0.1:0 --tls-cert $D/site.pem --tls-key $D/site.key")...)
	r.wait("a certificate is about to expire")
	served := func() string {
		conn, err := r.secure(ca.trusts("www.example.com"), "x")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	served()
	renewed := f.pair("site", ca, year, "www.example.com").leaf.SerialNumber.String()
	r.wait("a certificate is renewed")
	if got := served(); got != renewed {
		t.Errorf("got the certificate %s, want the new one, %s", got, renewed)
	}
	f.writeText("site.key", []byte("no key"))
	if m := r.wait("a certificate can't be renewed"); m["level"] != "ERROR" || !strings.Contains(m["error"].(string), "site.key") {
		t.Errorf("got %v, want an error about site.key", m)
	}
	if got := served(); got != renewed {
		t.Errorf("got the certificate %s, want the old one to stay, %s", got, renewed)
	}
	fixed := f.pair("site", ca, year, "www.example.com").leaf.SerialNumber.String()
	if m := r.wait("a certificate"); m["msg"] != "a certificate is renewed" {
		t.Errorf("got %v, want no more word of the broken pair", m)
	}
	if got := served(); got != fixed {
		t.Errorf("got the certificate %s, want the fixed one, %s", got, fixed)
	}
	r.stop()
}

// A renewed certificate that is for other names may be that of another site.
func TestLostNamesAreWarnedOf(t *testing.T) {
	f := newFolder(t)
	f.pair("site", nil, year, "www.example.com", "example.com")
	r := start(t, f.args("-l 127.0.0.1:0 --tls-cert $D/site.pem --tls-key $D/site.key")...)
	f.pair("site", nil, year, "www.example.com", "example.com", "new.example.com")
	if m := r.wait("a certificate is renewed"); m["level"] != "INFO" || fmt.Sprint(m["names"]) != "[example.com new.example.com www.example.com]" {
		t.Errorf("got %v, want the names and no warning", m)
	}
	f.pair("site", nil, year, "*.example.com")
	if m := r.wait("a certificate is renewed"); m["level"] != "WARN" || fmt.Sprint(m["names"], m["lost"]) != "[*.example.com] [example.com]" {
		t.Errorf("got %v, want a warning with the names and that which is lost", m)
	}
	f.pair("site", nil, year, "*.example.com")
	if m := r.wait("a certificate is renewed"); m["level"] != "INFO" || m["names"] != nil {
		t.Errorf("got %v, want no names", m)
	}
	r.stop()
}

func TestRoutesByName(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.pair("site", ca, year, "www.example.com", "*.in.example")
	db := greeter(t, "database", f.pair("db", ca, year, "db.example.com").serves())
	web := greeter(t, "h2 alone", f.pair("web", ca, year, "www.example.com").serves())
	r := start(t, append(f.args("-l 127.0.0.1:0 --tls-cert $D/site.pem --tls-key $D/site.key --route no.example.com=refuse"),
		"--route", "db.example.com="+db, "--route", "alpn:h2="+web, "--route", "*.in.example="+l4test.Echo(t).Addr()+",terminate")...)
	for _, test := range []struct{ name, protocol, want string }{
		{"db.example.com", "", "database"},
		{"www.example.com", "h2", "h2 alone"},
		{"www.example.com", "", "echo"},
		{"a.in.example", "", "echo"},
	} {
		client := ca.trusts(test.name)
		if test.protocol != "" {
			client.NextProtos = []string{test.protocol}
		}
		conn, err := r.secure(client, "")
		if err != nil {
			t.Errorf("%s %s: %v", test.name, test.protocol, err)
			continue
		}
		io.WriteString(conn, "echo")
		conn.CloseWrite()
		if got, err := io.ReadAll(conn); err != nil || string(got) != test.want {
			t.Errorf("%s %s: got %q, %v; want %q", test.name, test.protocol, got, err, test.want)
		}
		conn.Close()
	}
	if _, err := r.secure(ca.trusts("no.example.com"), "x"); err == nil {
		t.Error("no.example.com: served, want it refused")
	}
	causes := map[string]string{}
	for _, line := range r.stop() {
		causes[line["route"].(string)] = line["cause"].(string)
	}
	for _, route := range []string{"db.example.com", "alpn:h2", "*", "*.in.example"} {
		if !strings.HasSuffix(causes[route], "-closed") {
			t.Errorf("route %s: got %q, want a clean end", route, causes[route])
		}
	}
	if got := causes["no.example.com"]; got != "no-route" {
		t.Errorf("route no.example.com: got %q, want no-route", got)
	}
}

// Who speaks no TLS, or asks for another name, goes where the rest goes.
func TestTheRestGoesTheDefaultRoute(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	rest := greeter(t, "the rest", f.pair("rest", ca, year, "www.example.com").serves())
	r := startBefore(t, rest, "-l", "127.0.0.1:0", "--route", "db.example.com=127.0.0.1:9")
	conn, err := r.secure(ca.trusts("www.example.com"), "")
	if err != nil {
		t.Fatal(err)
	}
	conn.CloseWrite()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "the rest" {
		t.Errorf("got %q, %v", got, err)
	}
	conn.Close()
	r.stopOn(t, "*")
	r = start(t, "-l", "127.0.0.1:0", "--route", "db.example.com=127.0.0.1:9")
	r.dial("no TLS").Close()
	r.stopOn(t, "*")
}

// stopOn ends the process, which must have had one session on a route.
func (r *running) stopOn(t testing.TB, route string) {
	t.Helper()
	if lines := r.stop(); len(lines) != 1 || lines[0]["route"] != route || !strings.HasSuffix(lines[0]["cause"].(string), "-closed") {
		t.Errorf("got %v, want one session on route %s", lines, route)
	}
}

// letIn reports who of some clients gets through.
func (r *running) letIn(ca *identity, clients map[string][]*identity) map[string]bool {
	r.t.Helper()
	in := map[string]bool{}
	for who, own := range clients {
		conn, err := r.secure(ca.trusts("www.example.com", own...), "x")
		if in[who] = err == nil; err == nil {
			conn.Close()
		}
	}
	return in
}

func TestClientCertificates(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.pair("site", ca, year, "www.example.com")
	ann, bob := f.pair("ann", ca, year, "ann@example.com"), f.pair("bob", ca, year, "bob@example.com")
	f.write("ca.crl", f.revocations(ca, time.Hour, bob))
	clients := map[string][]*identity{"ann": {ann}, "bob": {bob}, "nobody": nil}
	const asks = "-l 127.0.0.1:0 --tls-cert $D/site.pem --tls-key $D/site.key --tls-client-ca $D/ca.pem "
	for args, want := range map[string]map[string]bool{
		"": {"ann": true, "bob": true, "nobody": false},
		"--tls-client-allow email:ann@example.com --tls-client-allow cn:eve": {"ann": true, "bob": false, "nobody": false},
		"--tls-client-crl $D/ca.crl --tls-client-cert verify-if-given":       {"ann": true, "bob": false, "nobody": true},
	} {
		r := start(t, f.args(asks+args)...)
		if got := r.letIn(ca, clients); !maps.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", args, got, want)
		}
		r.stop()
	}
}

// What a client must be able to do, and what it must ask for, is said by flags.
func TestClientsAreRefused(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.pair("site", ca, year, "www.example.com")
	old := ca.trusts("www.example.com")
	old.MaxVersion = tls.VersionTLS12
	h1 := ca.trusts("www.example.com")
	h1.NextProtos = []string{"http/1.1"}
	stranger := ca.trusts("www.example.org")
	stranger.InsecureSkipVerify = true
	const ends = "-l 127.0.0.1:0 --tls-cert $D/site.pem --tls-key $D/site.key "
	for args, client := range map[string]*tls.Config{"--tls-min-version 1.3": old, "--alpn postgresql": h1, "--tls-strict-sni": stranger} {
		for _, refuses := range []bool{false, true} {
			line := ends
			if refuses {
				line += args
			}
			r := start(t, f.args(line)...)
			conn, err := r.secure(client, "x")
			if (err != nil) != refuses {
				t.Errorf("%s: got %v", line, err)
			}
			if err == nil {
				conn.Close()
			}
			r.stop()
		}
	}
}

// What crypto/tls says of a client that is refused for its name, that no certificates are configured, would mislead.
func TestStrictSNISaysWhatWasAskedFor(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.pair("site", ca, year, "www.example.com")
	for name, want := range map[string]string{
		"nope.example.com":                `there is no certificate for "nope.example.com" (--tls-strict-sni)`,
		"127.0.0.1":                       "there is no certificate for a client that asks for no name (--tls-strict-sni)",
		strings.Repeat("long.", 99) + "x": `there is no certificate for "` + strings.Repeat("long.", 51) + `" (--tls-strict-sni)`,
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			r := start(t, f.args("-l 127.0.0.1:0 --tls-cert $D/site.pem --tls-key $D/site.key --tls-strict-sni")...)
			client := ca.trusts(name)
			client.MaxVersion = version
			if _, err := r.secure(client, "x"); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
				t.Errorf("%.20s: got %v, want the alert unrecognized_name", name, err)
			}
			lines := r.stop()
			if fault := lines[0]["client_tls"].(map[string]any)["fault"]; fault != want || lines[0]["cause"] != "handshake-failed" {
				t.Errorf("%.20s: got %v, want the fault %q", name, lines[0], want)
			}
		}
	}
}

// A ticket is good in the next process if that has the same file of keys.
func TestTicketsOutliveTheProcess(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.pair("site", ca, year, "www.example.com")
	f.writeText("tickets", []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n"))
	client := ca.trusts("www.example.com")
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for _, resumed := range []bool{false, true} {
		r := start(t, f.args("-l 127.0.0.1:0 --tls-cert $D/site.pem --tls-key $D/site.key --tls-ticket-keys $D/tickets")...)
		conn, err := r.secure(client, "x")
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if got := r.stop()[0]["client_tls"].(map[string]any)["resumed"]; got != resumed {
			t.Errorf("got %v, want %v", got, resumed)
		}
	}
}

// A backend is told what only this process knows: by which certificate the client was convinced.
func TestBackendIsToldOfTheCertificate(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.pair("site", ca, year, "www.example.com")
	r := start(t, f.args("-l 127.0.0.1:0 --tls-cert $D/site.pem --tls-key $D/site.key --proxy-out v2 --proxy-tlv ssl")...)
	conn, err := tls.Dial("tcp", r.address, ca.trusts("www.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	header := make([]byte, 16)
	if _, err := io.ReadFull(conn, header); err != nil {
		t.Fatal(err)
	}
	rest := make([]byte, binary.BigEndian.Uint16(header[14:]))
	if _, err := io.ReadFull(conn, rest); err != nil || !bytes.Contains(rest, []byte("ecdsa_secp256r1_sha256")) {
		t.Errorf("got %q, %v; want it to tell of the signature", rest, err)
	}
	conn.Close()
	r.stop()
}

func TestServesECH(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.pair("site", ca, year, "www.example.com")
	f.pair("inner", ca, year, "secret.example.com")
	said, stderr, status := invoke(nil, "ech-key", "www.example.com", f.path("ech.pem"))
	if status != exitDone {
		t.Fatal(stderr)
	}
	list, err := base64.StdEncoding.DecodeString(strings.TrimSpace(strings.TrimPrefix(said, "ech=")))
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, f.args("-l 127.0.0.1:0 --tls-cert $D/site.pem --tls-key $D/site.key --tls-cert $D/inner.pem --tls-key $D/inner.key --tls-ech-keys $D/ech.pem")...)
	client := ca.trusts("secret.example.com")
	client.EncryptedClientHelloConfigList = list
	conn, err := r.secure(client, "x")
	if err != nil || !conn.ConnectionState().ECHAccepted {
		t.Fatalf("got %v, want Encrypted Client Hello to be accepted", err)
	}
	conn.Close()
	// The next key has no certificate for its public name, and is taken when it has.
	if _, stderr, status := invoke(nil, "ech-key", "other.example.com", f.path("next.pem")); status != exitDone {
		t.Fatal(stderr)
	}
	if err := os.Rename(f.path("next.pem"), f.path("ech.pem")); err != nil {
		t.Fatal(err)
	}
	if m := r.wait("a file can't be used"); !strings.Contains(m["error"].(string), "other.example.com, and there is no certificate for it") {
		t.Errorf("got %v", m)
	}
	conn, err = r.secure(client, "x")
	if err != nil || !conn.ConnectionState().ECHAccepted {
		t.Fatalf("got %v, want the old key to stay in use", err)
	}
	conn.Close()
	f.pair("inner", ca, year, "secret.example.com", "other.example.com")
	r.wait("a file has changed and is in use")
	f.pair("inner", ca, year, "secret.example.com")
	if m := r.wait("there is no certificate for a key's public name"); m["name"] != "other.example.com" {
		t.Errorf("got %v", m)
	}
	r.stop()
}
