package main

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

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

// greeter is a TLS server that says its name to whoever comes.
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

func TestSpeaksTLSToBackends(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.authority("other")
	f.pair("own", ca, year, "proxy.example")
	backend := f.pair("backend", ca, year, "127.0.0.1").serves()
	backend.ClientCAs, backend.ClientAuth = ca.trusts("").RootCAs, tls.RequireAndVerifyClientCert
	at := greeter(t, "welcome", backend)
	r := startBefore(t, at, f.args("-l 127.0.0.1:0 --backend-tls --backend-ca $D/ca.pem --backend-cert $D/own.pem --backend-key $D/own.key")...)
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "welcome" {
		t.Errorf("got %q, %v", got, err)
	}
	conn.Close()
	if lines := r.stop(); len(lines) != 1 || lines[0]["backend_tls"].(map[string]any)["version"] != "1.3" {
		t.Errorf("got %v", lines)
	}
	r = startBefore(t, at, f.args("-l 127.0.0.1:0 --backend-tls --backend-tls-insecure --backend-cert $D/own.pem --backend-key $D/own.key")...)
	r.wait("backends are not verified")
	r.stop()
	r = startBefore(t, at, f.args("-l 127.0.0.1:0 --backend-tls --backend-ca $D/other.pem")...)
	if conn, err = net.Dial("tcp", r.address); err == nil {
		_, err = io.ReadAll(conn)
		conn.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) { // which may come before the connection is known to be there
		t.Errorf("a backend that is not trusted: got %v, want a reset", err)
	}
	if lines := r.stop(); len(lines) != 1 || lines[0]["cause"] != "connect-failed" {
		t.Errorf("got %v", lines)
	}
}

func TestClientCertificates(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.pair("site", ca, year, "www.example.com")
	ann, bob := f.pair("ann", ca, year, "ann@example.com"), f.pair("bob", ca, year, "bob@example.com")
	r := start(t, f.args("-l 127.0.0.1:0 --tls-cert $D/site.pem --tls-key $D/site.key --tls-client-ca $D/ca.pem "+
		"--tls-client-allow email:ann@example.com --tls-client-allow cn:nobody")...)
	for who, test := range map[string]struct {
		own []*identity
		in  bool
	}{"ann": {[]*identity{ann}, true}, "bob": {[]*identity{bob}, false}, "nobody": {nil, false}} {
		conn, err := r.secure(ca.trusts("www.example.com", test.own...), "x")
		if (err == nil) != test.in {
			t.Errorf("%s: got %v, want to be let in: %v", who, err, test.in)
		}
		if err == nil {
			conn.Close()
		}
	}
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
	// The next key has no certificate for its public name.
	if _, stderr, status := invoke(nil, "ech-key", "other.example.com", f.path("next.pem")); status != exitDone {
		t.Fatal(stderr)
	}
	if err := os.Rename(f.path("next.pem"), f.path("ech.pem")); err != nil {
		t.Fatal(err)
	}
	r.wait("a file has changed and is in use")
	if m := r.wait("there is no certificate for a key's public name"); m["name"] != "other.example.com" {
		t.Errorf("got %v", m)
	}
	r.stop()
}
