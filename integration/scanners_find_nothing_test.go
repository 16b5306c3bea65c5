package integration

import (
	"encoding/json"
	"encoding/xml"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// startScanned starts a forebay that ends TLS for HTTP, as it does without further flags.
func startScanned(t *testing.T) (f *forebay, a *l4test.Authority) {
	t.Helper()
	a = l4test.NewAuthority(t)
	names := []string{"a.example"}
	f = start(t, append(endTLS(
		a.Issue("ecdsa", l4test.Leaf{CommonName: "a.example", Names: names}),
		a.Issue("rsa", l4test.Leaf{CommonName: "a.example", Names: names, Key: l4test.RSA}),
	), "--alpn", "h2", "--alpn", "http/1.1", "--log", "off", httpServer(t))...)
	return f, a
}

// scanPatience is how long a scan may take, on a busy machine.
const scanPatience = 20 * time.Minute

// testssl.sh finds nothing that it rates above LOW, of protocols, ciphers, forward secrecy, preferences, certificates
// and known attacks. It uses a processor for some five minutes.
func TestTestsslFindsNothing(t *testing.T) {
	t.Parallel()
	if os.Getenv(soakVar) == "" {
		t.Skip("takes minutes: make soak runs it")
	}
	testssl := need(t, "testssl")
	f, a := startScanned(t)
	_, port, _ := net.SplitHostPort(f.Addr())
	report := filepath.Join(t.TempDir(), "report.json")
	cmd := exec.Command(testssl, "--quiet", "--warnings", "off", "--color", "0", "--nodns", "none", "--ip", "127.0.0.1", "--add-ca", a.File,
		"--jsonfile", report, "-p", "-s", "-f", "-P", "-S", "-U", "a.example:"+port)
	scan := run(t, cmd)
	scan.Await(t, scanPatience) // its status counts the findings
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("%v; testssl says:\n%s%s", err, scan.Stdout, scan.Stderr)
	}
	var findings []struct{ ID, Severity, Finding string }
	if err := json.Unmarshal(text, &findings); err != nil {
		t.Fatalf("%v in testssl's report:\n%s", err, text)
	}
	rated := map[string]string{}
	for _, found := range findings {
		rated[found.ID] = found.Severity
		if slices.Contains([]string{"MEDIUM", "HIGH", "CRITICAL", "FATAL"}, found.Severity) {
			t.Errorf("%s: %s, %s", found.Severity, found.ID, found.Finding)
		}
	}
	for _, id := range []string{"TLS1_2", "TLS1_3", "ALPN_HTTP2", "cipherlist_STRONG", "cert_chain_of_trust <cert#2>", "heartbleed", "ROBOT", "LUCKY13"} {
		if rated[id] != "OK" {
			t.Errorf("testssl rates %s as %q, want OK", id, rated[id])
		}
	}
}

// sslscan sees TLS 1.2 and 1.3 and nothing older, and only suites with authenticated encryption and forward secrecy.
func TestSslscanSeesOnlyGoodSuites(t *testing.T) {
	t.Parallel()
	sslscan := need(t, "sslscan")
	f, _ := startScanned(t)
	report := filepath.Join(t.TempDir(), "report.xml")
	output(t, exec.Command(sslscan, "--no-colour", "--sni-name=a.example", "--xml="+report, f.Addr()))
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var found struct {
		Protocols []struct {
			Type    string `xml:"type,attr"`
			Version string `xml:"version,attr"`
			Enabled int    `xml:"enabled,attr"`
		} `xml:"ssltest>protocol"`
		Ciphers []struct {
			Cipher   string `xml:"cipher,attr"`
			Strength string `xml:"strength,attr"`
		} `xml:"ssltest>cipher"`
		Heartbleed []struct {
			Vulnerable int `xml:"vulnerable,attr"`
		} `xml:"ssltest>heartbleed"`
	}
	if err := xml.Unmarshal(text, &found); err != nil {
		t.Fatalf("%v in sslscan's report:\n%s", err, text)
	}
	var versions, ciphers []string
	for _, p := range found.Protocols {
		if p.Enabled == 1 {
			versions = append(versions, p.Type+p.Version)
		}
	}
	for _, c := range found.Ciphers {
		ciphers = append(ciphers, c.Cipher)
	}
	if want := []string{"tls1.2", "tls1.3"}; !slices.Equal(versions, want) {
		t.Errorf("sslscan sees %q, want %q", versions, want)
	}
	slices.Sort(ciphers)
	want := []string{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
		"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305",
		"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
	if !slices.Equal(slices.Compact(ciphers), want) {
		t.Errorf("sslscan sees the suites %q, want %q", ciphers, want)
	}
	for _, h := range found.Heartbleed {
		if h.Vulnerable != 0 {
			t.Errorf("sslscan sees Heartbleed")
		}
	}
}
