package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// HAProxy is told the name that the client asked for, whether TLS ends at forebay or at HAProxy itself, and verifies
// the checksum over it.
func TestProxyHeaderTellsNames(t *testing.T) {
	t.Parallel()
	file := write(t, "a.example.pem", selfSigned(t, "a.example"))
	for _, c := range []struct {
		name         string
		bind         string
		flags        []string
		more, wanted string // what HAProxy says beside the name
	}{
		{"TLS ends at forebay", "accept-proxy", []string{"--tls-cert", file, "--proxy-tlv", "authority,alpn,ssl,crc32c,unique-id"}, "%[fc_pp_unique_id,length]", "16"},
		{"TLS passes through", "accept-proxy ssl crt " + file, []string{"--proxy-tlv", "authority,crc32c"}, "%[ssl_fc_sni]", "a.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			port := freePort(t)
			serveQuietly(t, haproxy(t, fmt.Sprintf(`
frontend in
	mode http
	bind %s %s
	http-request return status 200 content-type text/plain lf-string "%%[fc_pp_authority] %s"
`, local(port), c.bind, c.more)), local(port))
			f := start(t, append(c.flags, "--proxy-out", "v2", local(port))...)
			_, at, _ := strings.Cut(f.Addr(), ":")
			curl := exec.Command(need(t, "curl"), "-sS", "--http1.1", "--cacert", file, "--resolve", "a.example:"+at+":127.0.0.1", "https://a.example:"+at+"/")
			if got, want := strings.TrimSpace(output(t, curl)), "a.example "+c.wanted; got != want {
				t.Errorf("HAProxy was told %q, want %q", got, want)
			}
		})
	}
}

// selfSigned returns a certificate for name and its key, as PEM.
func selfSigned(t *testing.T, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotAfter: time.Now().AddDate(0, 3, 0)} // of one that ends soon forebay warns
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}
