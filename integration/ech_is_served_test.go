package integration

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"forebay/l4/l4test"
)

// newECHKey has forebay make a key, and returns its file and the list of configurations for clients.
func newECHKey(t testing.TB, public string) (file string, list []byte) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "ech.pem")
	text := output(t, exec.Command(program, "ech-key", public, file))
	m := regexp.MustCompile(`ech="?([A-Za-z0-9+/=]+)`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("ech-key shows no configuration:\n%s", text)
	}
	list, err := base64.StdEncoding.DecodeString(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return file, list
}

// A client with the right configuration hides its name. One with an outdated configuration is told of the right one, in
// a handshake for the public name, and comes again with it. One that knows nothing of it is served as ever.
func TestECHIsServed(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	key, list := newECHKey(t, "public.example")
	_, outdated := newECHKey(t, "public.example")
	f := start(t, append(endTLS(
		a.Issue("public", l4test.Leaf{Names: []string{"public.example"}}),
		a.Issue("secret", l4test.Leaf{Names: []string{"secret.example"}}),
	), "--tls-ech-keys", key, l4test.Echo(t).Addr())...)
	hiding := func(list []byte) *tls.Config {
		client := a.Client("secret.example")
		client.EncryptedClientHelloConfigList = list
		return client
	}
	exchangeTLS(t, f, hiding(list))
	f.Sessions(1) // each is logged before the next one begins
	_, err := l4test.TryDialTLS(t, f.Addr(), hiding(outdated))
	rejected, ok := errors.AsType[*tls.ECHRejectionError](err)
	if !ok {
		t.Fatalf("an outdated configuration: got %v, want a rejection", err)
	}
	f.Sessions(2)
	exchangeTLS(t, f, hiding(rejected.RetryConfigList))
	f.Sessions(3)
	exchangeTLS(t, f, a.Client("secret.example"))
	// The second one has done its part of the handshake when it says, by an alert, that it wants ECH.
	for i, want := range []struct {
		cause string
		ech   bool
	}{{"client-closed", true}, {"client-tls-fault", false}, {"client-closed", true}, {"client-closed", false}} {
		e := f.Sessions(4)[i]
		wantCause(t, e, want.cause)
		if e.ClientTLS.ECH != want.ech {
			t.Errorf("session %d: the log tells of ECH %v, want %v", i+1, e.ClientTLS.ECH, want.ech)
		}
	}
}
