package l4

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// Content types of records (RFC 8446, section 5.1).
const (
	alertRecord       = 21
	handshakeRecord   = 22
	applicationRecord = 23
)

// closeNotify is an alert (RFC 8446, section 6).
const closeNotify = "\x01\x00"

// A forger is a TLS 1.3 client that sends what crypto/tls never would. It writes all records after the handshake
// itself; what comes is read from conn.
type forger struct {
	t      *testing.T
	peer   *l4test.Peer
	conn   *tls.Conn
	secret []byte
	number uint64 // of the next record under this secret
}

func forge(t *testing.T, s *testServer, id *identity) *forger {
	t.Helper()
	return forgeOver(t, l4test.Dial(t, s.addr), id)
}

// forgeOver is forge over a connection that is there.
func forgeOver(t *testing.T, peer *l4test.Peer, id *identity) *forger {
	t.Helper()
	f := &forger{t: t, peer: peer}
	var log bytes.Buffer
	config := id.client()
	config.KeyLogWriter, config.MinVersion = &log, tls.VersionTLS13
	f.conn = tls.Client(f.peer.Conn(), config)
	f.conn.SetDeadline(time.Now().Add(patience))
	if err := f.conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	if suite := f.conn.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("a forger knows no %s", tls.CipherSuiteName(suite))
	}
	for line := range strings.Lines(log.String()) {
		if v := strings.Fields(line); v[0] == "CLIENT_TRAFFIC_SECRET_0" {
			f.secret, _ = hex.DecodeString(v[2])
		}
	}
	return f
}

// expand is HKDF-Expand-Label (RFC 8446, section 7.1).
func (f *forger) expand(label string, size int) []byte {
	f.t.Helper()
	label = "tls13 " + label
	info := append([]byte{0, byte(size), byte(len(label))}, label...)
	key, err := hkdf.Expand(sha256.New, f.secret, string(append(info, 0)), size)
	if err != nil {
		f.t.Fatal(err)
	}
	return key
}

// record makes the next record.
func (f *forger) record(kind byte, content string) string {
	block, err := aes.NewCipher(f.expand("key", 16))
	if err != nil {
		f.t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		f.t.Fatal(err)
	}
	nonce := f.expand("iv", aead.NonceSize())
	for i, b := range binary.BigEndian.AppendUint64(nil, f.number) {
		nonce[len(nonce)-8+i] ^= b
	}
	f.number++
	inner := append([]byte(content), kind)
	head := binary.BigEndian.AppendUint16([]byte{applicationRecord, 3, 3}, uint16(len(inner)+aead.Overhead()))
	return string(aead.Seal(slices.Clone(head), nonce, inner, head))
}

// update makes a record that changes the keys and asks for the same (RFC 8446, section 4.6.3).
func (f *forger) update() string {
	record := f.record(handshakeRecord, "\x18\x00\x00\x01\x01")
	f.secret, f.number = f.expand("traffic upd", sha256.Size), 0
	return record
}

// held has the Server's loop do nothing while f runs, so that all of what f does is found at once.
func (s *testServer) held(f func()) {
	stopped, goOn := make(chan struct{}), make(chan struct{})
	s.loops[0].post(func() { close(stopped); <-goOn })
	<-stopped
	f()
	close(goOn)
}

func TestForgerIsUnderstood(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Echo(t).Addr())
	f := forge(t, s, id)
	f.peer.Send(f.record(applicationRecord, "one") + f.update() + f.record(applicationRecord, "two") + f.record(alertRecord, closeNotify))
	expect(t, f.conn, "onetwo")
	if _, err := f.conn.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
	s.record(t, ClientClosed)
}

// A client may change its keys, and ask for the same, when we have said all we had to say already: no answer is
// possible then.
func TestKeyUpdateAfterOurEnd(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Serve(t, func(p *l4test.Peer) { p.Send("bye").CloseWrite().Expect("more").ExpectEOF() }).Addr())
	f := forge(t, s, id)
	if got, err := io.ReadAll(f.conn); err != nil || string(got) != "bye" {
		t.Fatalf("got %q and %v", got, err)
	}
	f.peer.Send(f.update() + f.record(applicationRecord, "more") + f.record(alertRecord, closeNotify))
	s.record(t, BackendClosed)
}

// TLS knows no urgent data. A byte that somebody declares urgent is none of it, and what comes behind is not left
// lying.
func TestUrgentDataBetweenRecords(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, func(s *Server) { s.TLS, s.BackendTLS = id.server(), id.backendTLS }, serveTLS(t, id.server(), echoTLS))
	f := forge(t, s, id)
	f.peer.Send(f.record(applicationRecord, "a"))
	expect(t, f.conn, "a")
	s.held(func() {
		f.peer.Send(f.record(applicationRecord, "b")).SendUrgent('!').Send(f.record(applicationRecord, "c"))
	})
	expect(t, f.conn, "bc")
	s.held(func() { f.peer.SendUrgent('!').Send(f.record(applicationRecord, "d")) })
	expect(t, f.conn, "d")
}

// What a client sends behind its close_notify is not read, and must not cost it the end of its answer: whether it comes
// later, or at once with the close_notify, of which crypto/tls reads a part and leaves the rest in the kernel.
func TestDataBehindCloseNotify(t *testing.T) {
	id := newIdentity(t, "one.example")
	answer := strings.Repeat("answer ", 10_000)
	for _, c := range []struct {
		name           string
		behind, beside int // bytes that come later, and at once
	}{
		{"later", 1000, 0},
		{"at once", 0, 1000},
		{"at once and later", 1000, 1000},
		{"more than is read at a time", 0, 20 * readSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			heard, said := make(chan struct{}), make(chan struct{})
			s := serve(t, id.ending, l4test.Serve(t, func(p *l4test.Peer) {
				p.ExpectEOF()
				close(heard)
				<-said
				p.Send(answer).Close()
			}).Addr())
			f := forge(t, s, id)
			f.peer.Send(f.record(alertRecord, closeNotify) + strings.Repeat("?", c.beside))
			<-heard
			f.peer.Send(strings.Repeat("?", c.behind))
			close(said)
			if got, err := io.ReadAll(f.conn); err != nil || string(got) != answer {
				t.Errorf("got %d bytes and %v, want %d", len(got), err, len(answer))
			}
			s.record(t, ClientClosed)
		})
	}
}

// A client that goes on talking behind its close_notify, and reads slowly, still gets all of its answer.
func TestTalkBehindCloseNotify(t *testing.T) {
	id := newIdentity(t, "one.example")
	answer := strings.Repeat("answer ", 100_000)
	heard := make(chan struct{})
	s := serve(t, id.ending, l4test.Serve(t, func(p *l4test.Peer) {
		p.ExpectEOF()
		close(heard)
		p.Send(answer).Close()
	}).Addr())
	f := forgeOver(t, l4test.DialNarrow(t, s.addr, 4<<10), id)
	f.peer.Send(f.record(alertRecord, closeNotify))
	<-heard
	talk := []byte(strings.Repeat("?", 1000))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for err := error(nil); err == nil; {
			_, err = f.peer.Conn().Write(talk)
		}
	}()
	if got, err := io.ReadAll(f.conn); err != nil || string(got) != answer {
		t.Errorf("got %d bytes and %v, want %d", len(got), err, len(answer))
	}
	s.record(t, ClientClosed)
	f.conn.Close()
	<-ended
}

// A client that asks for answers and takes none does not make the layer grow without bound, and is heard to the end
// once it takes them.
func TestKeyUpdatesThatNobodyReadsAnswersTo(t *testing.T) {
	const updates, data = 16, 400 // crypto/tls takes no more updates in a row
	id := newIdentity(t, "one.example")
	b := l4test.Serve(t, func(p *l4test.Peer) {
		wait := p.Beside(func(p *l4test.Peer) { io.Copy(p.Conn(), zeros{}) })
		p.Expect(strings.Repeat("x", data)).Reset()
		wait()
	})
	s := serve(t, id.ending, b.Addr())
	f := forge(t, s, id)
	var flood []byte
	for range data {
		for range updates {
			flood = append(flood, f.update()...)
		}
		flood = append(flood, f.record(applicationRecord, "x")...)
	}
	held := func() (n int) {
		s.onLoops(func(l *loop) {
			for _, at := range l.slots {
				if at.session != nil {
					n += len(at.session.client.layer.held)
				}
			}
		})
		return n
	}
	l4test.Await(t, patience, "the client's socket is full", func() bool { return held() > 0 })
	taken := 0
	s.held(func() {
		f.peer.Conn().SetWriteDeadline(time.Now().Add(time.Second / 2))
		taken, _ = f.peer.Conn().Write(flood)
	})
	l4test.Await(t, patience, "the layer is full, too", func() bool { return held() > heldMost })
	if n, most := held(), heldMost+2*recordSize; n > most {
		t.Errorf("%d bytes are held, want %d at most", n, most)
	}
	wait := f.peer.Beside(func(p *l4test.Peer) { io.Copy(io.Discard, p.Conn()) })
	f.peer.Send(string(flood[taken:]))
	b.AwaitDone(1)
	s.record(t, BackendReset)
	wait()
}

// A client that changes its keys before each byte keeps the loop from the others for no longer than a turn is, and goes
// behind them the next time.
func TestKeyUpdatesTakeTurns(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, func(s *Server) { id.ending(s); s.TLS.MaxVersion = tls.VersionTLS13 }, l4test.Discard(t).Addr())
	f := forge(t, s, id)
	var flood []byte
	for range 3000 {
		for range 15 {
			flood = append(flood, f.update()...)
		}
		flood = append(flood, f.record(applicationRecord, "x")...)
	}
	s.held(func() {
		f.peer.Conn().SetWriteDeadline(time.Now().Add(time.Second / 2))
		f.peer.Conn().Write(flood)
	})
	// With each turn of the loop, what has come of it is looked at.
	const most = 100 // of those bytes, some 60 µs each, where a turn has a millisecond
	moved, enough := make(chan uint64), make(chan struct{})
	go func() {
		defer close(moved)
		for {
			s.onLoops(func(l *loop) {
				for _, at := range l.slots {
					if at.session != nil {
						moved <- at.session.up.read
					}
				}
			})
			select {
			case <-enough:
				return
			default:
			}
		}
	}()
	before, turns, largest := uint64(0), 0, uint64(0)
	for n := range moved {
		if n > before {
			turns, largest = turns+1, max(largest, n-before)
		}
		if before = n; n >= 300 {
			break
		}
	}
	close(enough)
	for range moved {
	}
	f.peer.Reset()
	if largest > most {
		t.Errorf("one turn read %d bytes behind 15 key updates each, want %d at most", largest, most)
	}
	t.Logf("%d turns, %d bytes at most", turns, largest)
}

// A message that is not finished behind the handshake, and never will be, is not kept.
func TestUnfinishedMessagesAreNotKept(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Discard(t).Addr())
	f := forge(t, s, id)
	message := "\x0b\x03\xff\xff" + strings.Repeat("c", 60<<10) // a Certificate of 256 KiB
	for len(message) > 0 {
		n := min(len(message), 8<<10)
		f.peer.Conn().Write([]byte(f.record(handshakeRecord, message[:n]))) // until it is refused
		message = message[n:]
	}
	if r := s.record(t, ClientTLSFault); !strings.Contains(r.ClientTLS.Fault, "32 KiB") {
		t.Errorf("fault %q, want one that says how much came", r.ClientTLS.Fault)
	}
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A client that resets behind its close_notify has said all it had to say. crypto/tls does so when it has not read the
// tickets.
func TestResetBehindCloseNotify(t *testing.T) {
	id := newIdentity(t, "one.example")
	b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("all").ExpectEOF() })
	s := serve(t, id.ending, b.Addr())
	f := forge(t, s, id)
	s.held(func() {
		f.peer.Send(f.record(applicationRecord, "all") + f.record(alertRecord, closeNotify)).AwaitAcked()
		f.peer.Reset()
	})
	s.record(t, ClientReset)
	b.AwaitDone(1)
}

// The same behind the backend's end is how clients close that have not read our close_notify by then. Both sides have
// finished.
func TestResetBehindBothCloseNotifies(t *testing.T) {
	id := newIdentity(t, "one.example")
	b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("ask").Send("answer").CloseWrite().ExpectEOF() })
	s := serve(t, id.ending, b.Addr())
	f := forge(t, s, id)
	f.peer.Send(f.record(applicationRecord, "ask"))
	if got, err := io.ReadAll(f.conn); err != nil || string(got) != "answer" {
		t.Errorf("got %q and %v", got, err)
	}
	s.held(func() {
		f.peer.Send(f.record(alertRecord, closeNotify)).AwaitAcked()
		f.peer.Reset()
	})
	s.record(t, BackendClosed)
	b.AwaitDone(1)
}

// So it is where both have finished, and the client is waited for, as it has not taken all yet and may go on talking.
// The backend is told of the end before.
func TestResetWhileTheAnswerIsOnItsWay(t *testing.T) {
	for _, c := range []struct {
		first end
		want  Cause
	}{{clientEnd, ClientClosed}, {backendEnd, BackendClosed}} {
		t.Run(c.want.String(), func(t *testing.T) {
			id := newIdentity(t, "one.example")
			answer := make(chan struct{})
			b := l4test.Serve(t, func(p *l4test.Peer) {
				<-answer
				p.SendContent(1, 64<<10).CloseWrite().ExpectEOF()
			})
			s := serve(t, id.ending, b.Addr())
			f := forgeOver(t, l4test.DialNarrow(t, s.addr, 4<<10), id)
			is := func(finished func(*session) bool) func() bool {
				return func() (yes bool) {
					s.onLoops(func(l *loop) {
						for _, at := range l.slots {
							yes = yes || at.session != nil && finished(at.session)
						}
					})
					return yes
				}
			}
			if c.first == backendEnd {
				close(answer)
				l4test.Await(t, patience, "the backend has finished", is(func(s *session) bool { return s.down.finished }))
			}
			f.peer.Send(f.record(alertRecord, closeNotify))
			if c.first == clientEnd {
				l4test.Await(t, patience, "the client has finished", is(func(s *session) bool { return s.up.finished }))
				close(answer)
			}
			b.AwaitDone(1)
			l4test.Await(t, patience, "the client is waited for", func() bool { return s.has(lingering) })
			f.peer.Reset()
			s.record(t, c.want)
		})
	}
}

// A peer that cuts its bytes into the smallest records gets no more of a turn than others.
func TestSmallRecordsAreATurnsWork(t *testing.T) {
	id := newIdentity(t, "one.example")
	s := serve(t, id.ending, l4test.Serve(t, func(p *l4test.Peer) { io.Copy(io.Discard, p.Conn()) }).Addr())
	f := forge(t, s, id)
	var records strings.Builder
	for range 5000 {
		records.WriteString(f.record(applicationRecord, "x"))
	}
	l4test.Await(t, patience, "a backend is connected", func() bool { return s.has(relaying) })
	read := make(chan uint64, 1)
	s.held(func() {
		f.peer.Send(records.String())
		l := s.loops[0]
		l.post(func() { read <- l.slots[0].session.up.read }) // after one turn
	})
	if n, most := <-read, uint64(turnBytes/readSize*recordsPerRead); n == 0 || n > most {
		t.Errorf("%d records in one turn, want %d at most", n, most)
	}
}
