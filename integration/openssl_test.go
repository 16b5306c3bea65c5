package integration

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"forebay/l4/l4test"
)

// endTLS are the flags that end the clients' TLS with these certificates.
func endTLS(with ...*l4test.Identity) (args []string) {
	for _, i := range with {
		args = append(args, "--tls-cert", i.CertFile, "--tls-key", i.KeyFile)
	}
	return args
}

// answering is a backend that wants hello, and answers.
func answering(t testing.TB) *l4test.Backend {
	t.Helper()
	return l4test.Serve(t, answer)
}

func answer(p *l4test.Peer) { p.Expect("hello\n").Send("answer\n").CloseWrite().ReceiveAll() }

// sClient runs openssl s_client, which says hello and waits for the end, and returns what it tells.
func sClient(t testing.TB, addr string, args ...string) (text string, ok bool) {
	t.Helper()
	all := append([]string{"s_client", "-connect", addr, "-ign_eof", "-verify_return_error"}, args...)
	cmd := exec.Command(need(t, "openssl"), all...)
	cmd.Stdin = strings.NewReader("hello\n")
	p := run(t, cmd)
	p.Await(t, patience)
	return p.Stdout.String() + "\n" + p.Stderr.String(), p.status == 0
}

// wantAnswer fails unless s_client gets the backend's answer, and tells each of these.
func wantAnswer(t testing.TB, addr string, args []string, tells ...string) {
	t.Helper()
	text, ok := sClient(t, addr, args...)
	if !ok || !strings.Contains(text, "answer") {
		t.Errorf("s_client %q got no answer:\n%s", args, text)
		return
	}
	for _, want := range tells {
		if !strings.Contains(text, want) {
			t.Errorf("s_client %q does not tell %q:\n%s", args, want, text)
		}
	}
}

// Alerts, as OpenSSL tells them (RFC 8446, section 6).
const (
	handshakeFailure = "alert number 40"
	protocolVersion  = "alert number 70"
	unrecognizedName = "alert number 112"
)

// wantAlert fails unless s_client is refused with an alert.
func wantAlert(t testing.TB, addr string, args []string, alert string) {
	t.Helper()
	text, ok := sClient(t, addr, args...)
	if ok || !strings.Contains(text, alert) || strings.Contains(text, "answer") {
		t.Errorf("s_client %q was not refused with %q:\n%s", args, alert, text)
	}
}

// asks are s_client's arguments for a name whose certificate a has issued.
func asks(a *l4test.Authority, name string, more ...string) []string {
	return slices.Concat([]string{"-brief", "-CAfile", a.File, "-servername", name, "-verify_hostname", name}, more)
}
