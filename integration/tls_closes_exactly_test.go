package integration

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// One side says everything and sends close_notify and FIN; both reach the other side, which then answers with 1 MiB.
func TestHalfCloseThroughTLS(t *testing.T) {
	t.Parallel()
	inEach(t, always, func(t *testing.T, w arrangement) {
		f := w.build(t, func(p *l4test.Peer) { p.Expect("request").ExpectEOF().SendContent(1, mib).CloseWrite() })
		f.dial(t).Send("request").CloseWrite().ExpectContent(1, mib).ExpectEOF().Close()
		f.backend.AwaitDone(1)
		e := f.Session()
		wantCause(t, e, "client-closed")
		wantBytes(t, e, int64(len("request")), mib)
	})
	inEach(t, always, func(t *testing.T, w arrangement) {
		f := w.build(t, func(p *l4test.Peer) { p.Send("goodbye").CloseWrite().ExpectContent(1, mib).ExpectEOF() })
		f.dial(t).Expect("goodbye").ExpectEOF().SendContent(1, mib).CloseWrite()
		f.backend.AwaitDone(1)
		e := f.Session()
		wantCause(t, e, "backend-closed")
		wantBytes(t, e, mib, int64(len("goodbye")))
	})
}

// A FIN without close_notify may have been sent by anybody. What came before it is delivered. A backend is then reset:
// it must not take a part for the whole; and so is a client, where that is asked for.
func TestTruncationIsMirroredAsReset(t *testing.T) {
	t.Parallel()
	inEach(t, withClient, func(t *testing.T, w arrangement) {
		f := w.build(t, func(p *l4test.Peer) { p.ExpectContent(1, mib).ExpectReset() })
		f.dial(t).SendContent(1, mib).Truncate()
		f.backend.AwaitDone(1)
		e := f.Session()
		wantCause(t, e, "client-truncated")
		wantBytes(t, e, mib, 0)
	})
	inEach(t, withBackend, func(t *testing.T, w arrangement) {
		f := w.build(t, func(p *l4test.Peer) { p.SendContent(1, mib).Truncate(); <-p.Ended() }, "--backend-tls-eof", "strict")
		f.dial(t).ExpectContent(1, mib).ExpectReset()
		e := f.Session()
		wantCause(t, e, "backend-truncated")
		wantBytes(t, e, 0, mib)
	})
}

// A backend's FIN without close_notify is passed on as one, to a client that speaks TLS without close_notify as well.
// The client's half goes on.
func TestTruncationIsPassedOn(t *testing.T) {
	t.Parallel()
	inEach(t, withBackend, func(t *testing.T, w arrangement) {
		f := w.build(t, func(p *l4test.Peer) { p.SendContent(1, mib).Truncate().ExpectContent(2, mib).ExpectEOF() })
		p := f.dial(t).ExpectContent(1, mib)
		if w.client {
			p.ExpectTruncation()
		} else {
			p.ExpectEOF()
		}
		p.SendContent(2, mib).CloseWrite()
		f.backend.AwaitDone(1)
		e := f.Session()
		wantCause(t, e, "backend-truncated")
		wantBytes(t, e, mib, mib)
	})
}

// A reset is mirrored through TLS as it is without, after every byte that had arrived before it.
func TestResetsAreMirroredThroughTLS(t *testing.T) {
	t.Parallel()
	inEach(t, always, func(t *testing.T, w arrangement) {
		f := w.build(t, func(p *l4test.Peer) { p.ExpectContent(1, mib).ExpectReset() })
		f.dial(t).SendContent(1, mib).AwaitAcked().Reset()
		f.backend.AwaitDone(1)
		wantCause(t, f.Session(), "client-reset")
	})
	inEach(t, always, func(t *testing.T, w arrangement) {
		f := w.build(t, func(p *l4test.Peer) { p.SendContent(1, mib).AwaitAcked().Reset() })
		f.dial(t).ExpectContent(1, mib).ExpectReset()
		wantCause(t, f.Session(), "backend-reset")
	})
}

// A tap keeps what is read through it.
type tap struct {
	net.Conn
	read []byte
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.read = append(t.read, b[:n]...)
	return n, err
}

// records returns the type of each record, and fails where the last one is cut.
func records(t *testing.T, b []byte) (types []byte) {
	t.Helper()
	for len(b) > 0 {
		n := 5
		if len(b) >= n {
			n += int(b[3])<<8 | int(b[4])
		}
		if len(b) < n {
			t.Errorf("the last record is cut: %x", b)
			return types
		}
		types, b = append(types, b[0]), b[n:]
	}
	return types
}

const alertRecord = 21 // RFC 8446, appendix B.1

// A handshake that is refused ends with one alert, and nothing after it; in clear, as no keys are agreed on.
func TestRefusalIsOneAlert(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})), "--tls-strict-sni", l4test.Echo(t).Addr())...)
	conn := &tap{Conn: l4test.Dial(t, f.Addr()).Conn()}
	conn.SetDeadline(time.Now().Add(patience))
	if err := tls.Client(conn, a.Client("b.example")).Handshake(); err == nil {
		t.Fatal("the handshake succeeded")
	}
	io.Copy(io.Discard, conn)
	if got := string(conn.read); !strings.HasPrefix(got, "\x15\x03") || !strings.HasSuffix(got, "\x00\x02\x02\x70") || len(got) != 7 {
		t.Errorf("got %x, want one fatal alert, unrecognized_name", got)
	}
}

// A record that can't be decrypted is answered with one alert and nothing after it, no close_notify either, and the
// backend is reset.
func TestBadRecordIsOneAlert(t *testing.T) {
	t.Parallel()
	for version, name := range map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := l4test.NewAuthority(t)
			b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("x").Send("x").ExpectReset() })
			f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})), b.Addr())...)
			below := l4test.Dial(t, f.Addr())
			conn := &tap{Conn: below.Conn()}
			client := a.Client("a.example")
			client.MinVersion, client.MaxVersion = version, version
			p := below.Secure(func(_ net.Conn, c *tls.Config) *tls.Conn { return tls.Client(conn, c) }, client).Send("x").Expect("x")
			before := len(conn.read)
			p.SendBelow("\x17\x03\x03\x00\x20" + strings.Repeat("?", 32))
			conn.SetDeadline(time.Now().Add(patience))
			io.Copy(io.Discard, conn)
			types := records(t, conn.read[before:])
			if want := map[uint16]byte{tls.VersionTLS12: alertRecord, tls.VersionTLS13: 23}[version]; len(types) != 1 || types[0] != want {
				t.Errorf("got records of types %d, want one of type %d", types, want)
			}
			b.AwaitDone(1)
			if e := f.Session(); e.Cause != "client-tls-fault" || e.ClientTLS.Fault == "" {
				t.Errorf("the log tells of cause %q and fault %q", e.Cause, e.ClientTLS.Fault)
			}
		})
	}
}

// A client that does not trust the certificate says so, and no backend hears of it.
func TestDistrustReachesNoBackend(t *testing.T) {
	t.Parallel()
	a := l4test.NewAuthority(t)
	b := l4test.Echo(t)
	f := start(t, append(endTLS(a.Issue("site", l4test.Leaf{Names: []string{"a.example"}})), b.Addr())...)
	wantNoEntry(t, f, l4test.NewAuthority(t).Client("a.example"))
	e := f.Session()
	wantCause(t, e, "handshake-failed")
	if !strings.Contains(e.ClientTLS.Fault, "certificate") || b.Accepted() > 0 {
		t.Errorf("the log tells of %q, and the backend saw %d connections", e.ClientTLS.Fault, b.Accepted())
	}
}
