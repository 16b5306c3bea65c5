package integration

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A session of either version goes on with its ticket, in the same process.
func TestTLSSessionsResume(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})), answering(t).Addr())...)
	for i, version := range []string{"-tls1_2", "-tls1_3"} {
		ticket := filepath.Join(t.TempDir(), "ticket")
		wantAnswer(t, f.Addr(), asks(a, "a.example", version, "-sess_out", ticket))
		wantAnswer(t, f.Addr(), resumes(version, ticket), "Reused, ")
		if first, second := f.Sessions(2*i + 2)[2*i], f.Sessions(2*i + 2)[2*i+1]; first.ClientTLS.Resumed || !second.ClientTLS.Resumed {
			t.Errorf("%s: the log tells of sessions resumed: %v, %v; want the second", version, first.ClientTLS.Resumed, second.ClientTLS.Resumed)
		}
	}
}

// resumes are s_client's arguments to go on with a ticket, and to tell whether that worked.
func resumes(version, ticket string) []string {
	return []string{version, "-servername", "a.example", "-sess_in", ticket}
}

// Tickets outlive the process and work on another machine where both have the keys; the first key encrypts, and an old
// one still decrypts. Without the keys, or with others, a full handshake takes place.
func TestTicketKeysOutliveTheProcess(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	site := endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}}))
	b := answering(t)
	old, fresh := ticketKey(), ticketKey()
	serving := func(keys ...string) *forebay {
		args := site
		if text := ""; len(keys) > 0 {
			for _, k := range keys {
				text += k + "\n"
			}
			args = append(args, "--tls-ticket-keys", write(t, "keys", text))
		}
		return start(t, append(args, b.Addr())...)
	}
	ticket := filepath.Join(t.TempDir(), "ticket")
	first := serving(old)
	wantAnswer(t, first.Addr(), asks(a, "a.example", "-tls1_3", "-sess_out", ticket))
	first.Signal(15)
	first.Wait()
	wantAnswer(t, serving(old).Addr(), resumes("-tls1_3", ticket), "Reused, ")
	wantAnswer(t, serving(fresh, old).Addr(), resumes("-tls1_3", ticket), "Reused, ")
	wantAnswer(t, serving(fresh).Addr(), append(resumes("-tls1_3", ticket), "-CAfile", a.File), "New, ")
	wantAnswer(t, serving().Addr(), append(resumes("-tls1_3", ticket), "-CAfile", a.File), "New, ")
}

func ticketKey() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// A ticket of a listener that asks for no certificate, or for one of other authorities, opens none that does, though
// both have the same keys.
func TestTicketsDoNotStandForCertificates(t *testing.T) {
	t.Parallel()
	a, other := l4test.NewAuthority(t), l4test.NewAuthority(t)
	site := a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})
	keys := write(t, "keys", ticketKey()+"\n")
	b := l4test.Echo(t)
	serving := func(more ...string) *forebay {
		return start(t, append(append(endTLS(site), "--tls-ticket-keys", keys, b.Addr()), more...)...)
	}
	open, closed := serving(), serving("--tls-client-ca", a.File)
	others := serving("--tls-client-ca", other.File)
	for version := uint16(tls.VersionTLS12); version <= tls.VersionTLS13; version++ {
		stranger := resuming(a.Client("a.example"), version)
		exchangeTLS(t, open, stranger)
		if !exchangeTLS(t, open, stranger) {
			t.Errorf("version %#x: nothing was resumed where it may be", version)
		}
		wantNoEntry(t, closed, stranger)
		member := resuming(other.Client("a.example", other.Issue("member", l4test.Leaf{CommonName: "member"})), version)
		member.RootCAs = stranger.RootCAs
		exchangeTLS(t, others, member)
		if !exchangeTLS(t, others, member) {
			t.Errorf("version %#x: nothing was resumed with a certificate", version)
		}
		wantNoEntry(t, closed, member)
	}
}

// resuming makes a client that speaks one version and keeps its tickets.
func resuming(c *tls.Config, version uint16) *tls.Config {
	c.MinVersion, c.MaxVersion, c.ClientSessionCache = version, version, tls.NewLRUClientSessionCache(1)
	return c
}

// exchangeTLS has a session that carries a byte both ways, and reports whether it was resumed. It reads to the end, and
// so takes the tickets in.
func exchangeTLS(t *testing.T, f *forebay, client *tls.Config) (resumed bool) {
	t.Helper()
	p := l4test.DialTLS(t, f.Addr(), client).Send("x").Expect("x").CloseWrite().ExpectEOF()
	return p.TLS().DidResume
}

// wantNoEntry fails unless a client is refused in its handshake. One of TLS 1.3 learns that only when it reads: it has
// finished before the server looks at its certificate.
func wantNoEntry(t *testing.T, f *forebay, client *tls.Config) {
	t.Helper()
	p, err := l4test.TryDialTLS(t, f.Addr(), client)
	if err == nil {
		err = refusal(p)
	}
	if err == nil {
		t.Errorf("a client got in that must not")
	}
}

// refusal returns why nothing comes, and nil where something does or the connection is held open.
func refusal(p *l4test.Peer) error {
	p.Conn().SetReadDeadline(time.Now().Add(patience))
	_, err := p.Conn().Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
