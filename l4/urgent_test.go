package l4

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
)

// A way is how bytes come from a sender to a receiver.
type way struct {
	name string
	// run has a stream sent by send and read by receive, on two connected peers, and returns when both have ended.
	run func(t *testing.T, how l4test.Reading, send, receive func(*l4test.Peer))
}

// toBackend has the client send.
func toBackend(t *testing.T, how l4test.Reading, through func(backend string) string, send, receive func(*l4test.Peer)) {
	b := l4test.ServeReading(t, how, receive)
	p := l4test.Dial(t, through(b.Addr()))
	send(p)
	b.AwaitDone(1)
}

// toClient has the backend send.
func toClient(t *testing.T, how l4test.Reading, through func(backend string) string, send, receive func(*l4test.Peer)) {
	b := l4test.Serve(t, func(p *l4test.Peer) { send(p.Expect("go")) })
	p := l4test.DialReading(t, through(b.Addr()), how).Send("go")
	receive(p)
	p.Close()
	b.AwaitDone(1)
}

// ways are direct, which shows what TCP does by itself, and through a Server.
func ways(configure func(*Server)) []way {
	direct := func(backend string) string { return backend }
	through := func(t *testing.T) func(string) string {
		return func(backend string) string { return serve(t, configure, backend).addr }
	}
	return []way{
		{"direct", func(t *testing.T, how l4test.Reading, send, receive func(*l4test.Peer)) {
			toBackend(t, how, direct, send, receive)
		}},
		{"up", func(t *testing.T, how l4test.Reading, send, receive func(*l4test.Peer)) {
			toBackend(t, how, through(t), send, receive)
		}},
		{"down", func(t *testing.T, how l4test.Reading, send, receive func(*l4test.Peer)) {
			toClient(t, how, through(t), send, receive)
		}},
	}
}

var readings = []l4test.Reading{l4test.Plainly, l4test.OutOfLine, l4test.InLine}

// A finale is how a sender ends.
type finale struct {
	name string
	end  func(*l4test.Peer) // does not wait for an answer
	want func(error) bool   // the receiver's end
}

var finales = []finale{
	{"half-closed", func(p *l4test.Peer) { p.CloseWrite() }, func(err error) bool { return err == io.EOF }},
	{"closed", (*l4test.Peer).Close, func(err error) bool { return err == io.EOF }},
	{"reset", (*l4test.Peer).Reset, l4test.IsReset},
}

// TestUrgentBytes sends streams with urgent bytes anywhere, directly and through a Server. Whatever the receiver does
// about urgent data, it must get what it gets from the sender directly, as far as TCP defines that: no ordinary byte is
// lost, the last urgent byte is one, and read in line all bytes are there.
func TestUrgentBytes(t *testing.T) {
	begin := uint64(time.Now().UnixNano())
	for _, w := range ways(nil) {
		for _, how := range readings {
			for i, f := range finales {
				t.Run(fmt.Sprintf("%s/%v/%s", w.name, how, f.name), func(t *testing.T) {
					for round := range uint64(4) {
						seed := begin + uint64(i)<<8 + round
						tryUrgent(t, w, how, f, l4test.RandomMarked(seed, 2<<20))
						if t.Failed() {
							t.Fatalf("with RandomMarked(%d, 2<<20)", seed)
						}
					}
				})
			}
		}
	}
}

func tryUrgent(t *testing.T, w way, how l4test.Reading, f finale, m *l4test.Marked) {
	send := func(p *l4test.Peer) {
		f.end(p.SendMarked(m).AwaitAcked())
		if f.name == "half-closed" {
			p.ExpectEOF()
		}
	}
	w.run(t, how, send, func(p *l4test.Peer) {
		h := p.ReceiveMarked(how)
		if err := m.Check(how, h); err != nil {
			t.Error(err)
		}
		if !f.want(h.End) {
			t.Errorf("the stream ended by %v", h.End)
		}
	})
}

// TestSpliceAtAMark has the loop splice before an event has told it of the mark that the stream has come to. What
// splice(2) says then, that the stream has ended or was reset, is not true yet.
func TestSpliceAtAMark(t *testing.T) {
	for _, f := range finales {
		for _, sizes := range [][]int{{0}, {0, -60_000}, {5_000, -60_000}, {5_000, 0, 20_000, -10_000}, {60_000}} {
			t.Run(fmt.Sprint(f.name, sizes), func(t *testing.T) {
				m := l4test.MarkedOf(1, sizes...)
				heard := make(chan *l4test.Heard, 1)
				b := l4test.ServeReading(t, l4test.InLine, func(p *l4test.Peer) {
					heard <- p.Expect("go").Send("go").ReceiveMarked(l4test.InLine)
				})
				s := serve(t, nil, b.Addr())
				p := l4test.Dial(t, s.addr).Send("go").Expect("go")
				s.splicing(func() { p.SendMarked(m).AwaitAcked(); f.end(p) })
				h := <-heard
				if err := m.Check(l4test.InLine, h); err != nil || !f.want(h.End) {
					t.Errorf("%v; the stream ended by %v", err, h.End)
				}
			})
		}
	}
}

// splicing has the only session splice what has come from its client while f was called, before the loop is told of it.
func (s *testServer) splicing(f func()) {
	stopped, goOn := make(chan struct{}), make(chan struct{})
	l := s.loops[0]
	l.post(func() {
		close(stopped)
		<-goOn
		for _, x := range l.slots {
			if x := x.session; x != nil {
				x.client.readable, x.up.full = true, bulkReads
				l.step(x)
			}
		}
	})
	<-stopped
	f()
	close(goOn)
}

// TestUrgentByteBehindAnEvent has an urgent byte come while the loop has an event in hand that the kernel gave before,
// and has read the bytes that this event tells of: while it relayed, or together with a PROXY header.
func TestUrgentByteBehindAnEvent(t *testing.T) {
	for _, out := range []ProxyVersion{ProxyOff, ProxyV1} {
		t.Run(fmt.Sprintf("ProxyOut %d", out), func(t *testing.T) {
			m := l4test.MarkedOf(1, 10, -10)
			skipHeader := func(p *l4test.Peer) {
				for out != ProxyOff && p.Receive(1)[0] != '\n' {
				}
			}
			b := l4test.ServeReading(t, l4test.InLine, func(p *l4test.Peer) {
				skipHeader(p)
				p.Expect("go").Send("go")
				skipHeader(p)
				if err := m.Check(l4test.InLine, p.ReceiveMarked(l4test.InLine)); err != nil {
					t.Error(err)
				}
			})
			s := serve(t, func(s *Server) { s.ProxyOut = out }, b.Addr())
			p := l4test.Dial(t, s.addr).Send("go").Expect("go")
			s.onOne(func(l *loop, one *session) {
				p.Send(string(m.Bytes[:10])).AwaitAcked()
				events := l.poller.look()
				one.client.readable = true
				if out != ProxyOff { // as if it had been connected now
					one.stage, one.moved = greeting, l.server.clock()
				}
				l.step(one)
				p.SendUrgent(m.Bytes[10]).AwaitAcked()
				for i := range events {
					l.dispatch(&events[i])
				}
			})
			p.Send(string(m.Bytes[11:])).CloseWrite().ExpectEOF()
			b.AwaitDone(1)
		})
	}
}

// TestUrgentBytesInARow has a second one come while the loop stands in front of the first.
func TestUrgentBytesInARow(t *testing.T) {
	b := l4test.ServeReading(t, l4test.InLine, func(p *l4test.Peer) { p.Expect("a\x80\x81\x82b"); p.ExpectEOF() })
	s := serve(t, nil, b.Addr())
	for range 20 {
		p := l4test.Dial(t, s.addr).Send("a")
		s.held(func() {
			p.AwaitAcked().SendUrgent(0x80).AwaitAcked().SendUrgent(0x81).AwaitAcked().SendUrgent(0x82).AwaitAcked().Send("b")
		})
		p.CloseWrite().ExpectEOF()
	}
	b.AwaitDone(20)
}

// TestFirstByteIsUrgent has the first byte of a connection be one, at all times that it may come. The backend reads in
// line: out of line, it misses the byte behind now and then, over a direct connection as well.
func TestFirstByteIsUrgent(t *testing.T) {
	b := l4test.ServeReading(t, l4test.InLine, func(p *l4test.Peer) { p.Expect("\x80b").Send("k").ExpectEOF() })
	s := serve(t, nil, b.Addr())
	for range 50 {
		l4test.Dial(t, s.addr).SendUrgent(0x80).Send("b").Expect("k").CloseWrite().ExpectEOF()
	}
	b.AwaitDone(50)
}

// TestUrgentBytesWhereNoneAreKnown has receivers that know no urgent data, a TLS connection and a UNIX socket that does
// not ask for it: no ordinary byte is lost, and over TLS the urgent ones are ordinary.
func TestUrgentBytesWhereNoneAreKnown(t *testing.T) {
	m := l4test.RandomMarked(uint64(time.Now().UnixNano()), 1<<20)
	t.Run("TLS", func(t *testing.T) {
		id := newIdentity(t, "one.example")
		got := make(chan []byte, 1)
		addr := serveTLS(t, id.server(), func(c *tls.Conn) {
			all, _ := io.ReadAll(c)
			c.CloseWrite()
			got <- all
		})
		s := serve(t, func(s *Server) { s.BackendTLS = id.backendTLS }, addr)
		l4test.Dial(t, s.addr).SendMarked(m).CloseWrite().ExpectEOF()
		if all := <-got; !bytes.Equal(all, m.Bytes) {
			t.Errorf("got %d bytes, want %d (urgent: %v)", len(all), len(m.Bytes), m.Urgent)
		}
	})
	t.Run("UNIX", func(t *testing.T) {
		b := l4test.ServeAt(t, "unix:"+filepath.Join(t.TempDir(), "socket"), func(p *l4test.Peer) {
			h := p.ReceiveMarked(l4test.Plainly)
			if err := m.Check(l4test.Plainly, h); err != nil {
				t.Error(err)
			}
		})
		l4test.Dial(t, serve(t, nil, b.Addr()).addr).SendMarked(m).CloseWrite().ExpectEOF()
		b.AwaitDone(1)
	})
}

// TestUrgentFlowHoldsNoPipe has urgent data be announced to a flow that has a pipe, as its turn was over before its
// bytes were: it is not spliced any more.
func TestUrgentFlowHoldsNoPipe(t *testing.T) {
	b := l4test.ServeReading(t, l4test.InLine, l4test.EchoScript)
	s := serve(t, nil, b.Addr())
	p := l4test.Dial(t, s.addr).Send("a").Expect("a")
	s.onOne(func(l *loop, one *session) {
		one.up.pipe, one.up.full = l.borrowPipe(), bulkReads
		p.SendUrgent(0x80).AwaitAcked()
		one.client.note(unix.EPOLLIN | unix.EPOLLPRI)
		l.step(one)
		if one.up.pipe != nil || len(l.pipes.idle) != 1 || !one.movable() {
			t.Errorf("the flow keeps %+v, %d pipes can be borrowed, may move: %v", one.up.pipe, len(l.pipes.idle), one.movable())
		}
	})
	p.Expect("\x80").CloseWrite().ExpectEOF()
}
