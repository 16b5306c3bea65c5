package l4

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
)

// needRing skips a test where this kernel, or what it runs in, has no io_uring for us.
func needRing(tb testing.TB) *ring {
	tb.Helper()
	r, err := newRing(8)
	if err != nil {
		tb.Skipf("io_uring: %v", err)
	}
	tb.Cleanup(r.close)
	return r
}

// socketPair returns two connected sockets, the first of which is non-blocking and takes little.
func socketPair(tb testing.TB) (from, to int) {
	tb.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	setInt(int32(fds[0]), unix.SOL_SOCKET, unix.SO_SNDBUF, 1)
	tb.Cleanup(func() {
		unix.Close(fds[0])
		unix.Close(fds[1])
	})
	return fds[0], fds[1]
}

// A ring closes sockets, among what it sends.
func TestRingCloses(t *testing.T) {
	r := needRing(t)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	out := []outgoing{{fd: int32(fds[0]), act: sends, bytes: []byte("bye")}, {fd: int32(fds[0]), act: closes}}
	if n, whole := r.carryOut(out); n != 2 || !whole || out[1].result != 0 {
		t.Fatalf("%d taken, close returned %d", n, out[1].result)
	}
	b := make([]byte, 10)
	if n, _ := unix.Read(fds[1], b); string(b[:max(n, 0)]) != "bye" {
		t.Errorf("read %q first", b[:max(n, 0)])
	}
	if n, err := unix.Read(fds[1], b); n != 0 || err != nil {
		t.Errorf("read %d bytes and %v, want the end", n, err)
	}
}

// A ring's sends return what send(2) returns, in any number of rounds.
func TestRingSendsAsSendDoes(t *testing.T) {
	r := needRing(t)
	open, peer := socketPair(t)
	full, _ := socketPair(t)
	left, gone := socketPair(t)
	unix.Shutdown(gone, unix.SHUT_RDWR)
	for n := 1; n > 0; {
		n, _ = unix.SendmsgN(full, make([]byte, 1<<10), nil, nil, unix.MSG_DONTWAIT)
	}
	for round := range 20 { // more than there are places
		var out []outgoing
		for _, fd := range []int{open, full, left, -1, open} {
			out = append(out, outgoing{fd: int32(fd), act: sends, bytes: []byte(fmt.Sprint(fd, " in round ", round))})
		}
		if n, whole := r.carryOut(out); n != len(out) || !whole {
			t.Fatalf("round %d: it took %d sends of %d", round, n, len(out))
		}
		text := string(out[0].bytes)
		for i, want := range []int32{int32(len(text)), -int32(unix.EAGAIN), -int32(unix.EPIPE), -int32(unix.EBADF), int32(len(text))} {
			if out[i].result != want {
				t.Errorf("round %d, send %d: got %d, want %d", round, i, out[i].result, want)
			}
		}
		b := make([]byte, 1<<10)
		if n, err := unix.Read(peer, b); err != nil || string(b[:n]) != text+text {
			t.Fatalf("round %d: read %q and %v, want %q twice", round, b[:max(n, 0)], err, text)
		}
	}
}

// The number of a call begins at 0 again after the last one; a busy loop comes to that within days.
func TestRingGoesOnAfterTheLastCallNumber(t *testing.T) {
	r := needRing(t)
	from, to := socketPair(t)
	r.call = 1<<32 - 2
	for round := range 4 {
		out := []outgoing{{fd: int32(from), act: sends, bytes: []byte("one")}, {fd: int32(from), act: sends, bytes: []byte("two")}}
		if n, whole := r.carryOut(out); n != 2 || !whole || out[0].result != 3 || out[1].result != 3 {
			t.Errorf("round %d: it took %d of 2, all answered: %v; they sent %d and %d bytes, want 3 each", round, n, whole, out[0].result, out[1].result)
		}
		unix.Read(to, make([]byte, 8)) // so that there is room
	}
}

// withAndWithoutRing runs f with both ways to send what was put down.
func withAndWithoutRing(t *testing.T, f func(t *testing.T, configure func(*Server))) {
	t.Run("ring", func(t *testing.T) {
		needRing(t)
		f(t, nil)
	})
	t.Run("no ring", func(t *testing.T) { f(t, func(s *Server) { s.IOUring = false }) })
}

// atOnce keeps the server's loop busy while f runs, so that all that happens meanwhile comes in one turn.
func (s *testServer) atOnce(f func()) {
	begun, released := make(chan struct{}), make(chan struct{})
	s.loops[0].post(func() {
		close(begun)
		<-released
	})
	<-begun
	f()
	close(released)
}

// Each of many sessions that speak in one turn gets its own bytes, once, whatever else happens to it in that turn.
func TestWhatIsSentTogether(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T, configure func(*Server)) {
		const sessions = 300 // more than an outbox takes
		s := serve(t, configure, l4test.Echo(t).Addr())
		peers := make([]*l4test.Peer, sessions)
		for i := range peers {
			peers[i] = l4test.Dial(t, s.addr).Send("begin").Expect("begin")
		}
		text := func(i, round int) string { return strings.Repeat(fmt.Sprintf("%d of round %d,", i, round), 1+i) }
		for round := range 10 {
			s.atOnce(func() {
				for i, p := range peers {
					p.Send(text(i, round))
				}
			})
			for i, p := range peers {
				p.Expect(text(i, round))
			}
		}
		s.atOnce(func() {
			for i, p := range peers {
				if p.Send(text(i, 10)); i%3 == 0 {
					p.CloseWrite()
				}
			}
		})
		for i, p := range peers {
			if p.Expect(text(i, 10)); i%3 == 0 {
				p.ExpectEOF()
			}
			p.Close()
			if r := s.record(t, ClientClosed); r.ToBackend != r.FromClient || r.ToClient != r.FromBackend || r.FromClient != r.FromBackend {
				t.Errorf("%+v", r)
			}
		}
	})
}

// What the sockets do not take of what is sent together is neither lost nor put in another order.
func TestWhatIsSentTogetherIsNotTaken(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T, configure func(*Server)) {
		const sessions, messages, size = 20, 200, 3 << 10
		resume := make(chan struct{})
		s := serve(t, configure, l4test.ServeNarrow(t, 4<<10, func(p *l4test.Peer) {
			p.Send("hello")
			<-resume
			p.ExpectContent(1, messages*size).ExpectEOF()
		}).Addr())
		peers := make([]*l4test.Peer, sessions)
		for i := range peers {
			peers[i] = l4test.Dial(t, s.addr).Expect("hello")
		}
		s.onLoops(func(l *loop) {
			for _, at := range l.slots {
				if at.session != nil {
					setInt(at.session.backend.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1) // the kernel makes that 4608
				}
			}
		})
		var talking sync.WaitGroup
		for _, p := range peers {
			talking.Go(func() { p.SendContentBy(1, messages*size, size).CloseWrite().ExpectEOF() })
		}
		goOn := sync.OnceFunc(func() { close(resume) })
		defer goOn()
		l4test.Await(t, patience, "all to stand still", func() (still bool) {
			s.onLoops(func(l *loop) {
				stalled := 0
				for _, at := range l.slots {
					if at.session != nil && len(at.session.up.held) > 0 && !at.session.backend.writable {
						stalled++
					}
				}
				still = stalled == sessions
			})
			return still
		})
		goOn()
		talking.Wait()
		for range sessions {
			if r := s.record(t, ClientClosed); r.ToBackend != messages*size {
				t.Errorf("%d bytes counted as handed to the backend, want %d", r.ToBackend, messages*size)
			}
		}
	})
}

// onOne runs f on the loop, with the outbox open and the server's only session.
func (s *testServer) onOne(f func(l *loop, one *session)) {
	s.onLoops(func(l *loop) {
		for _, at := range l.slots {
			if at.session != nil {
				l.outbox.open = true
				f(l, at.session)
				l.sendOut()
				return
			}
		}
	})
}

// speak has p send text and s take it in.
func speak(p *l4test.Peer, text string, s *session) {
	p.Send(text)
	s.client.readable = true
	s.loop.step(s)
}

// What was put down is sent once, in front of whatever happens to its session in the same turn.
func TestWhatIsPutDownIsSentFirst(t *testing.T) {
	for name, test := range map[string]struct {
		happen func(l *loop, one *session, p *l4test.Peer)
		heard  string
		cause  Cause
	}{
		"nothing": {func(*loop, *session, *l4test.Peer) {}, "one", ClientClosed},
		"more": {func(l *loop, s *session, p *l4test.Peer) {
			if speak(p, "two", s); l.outbox.list[0].act != nothing {
				t.Error("two messages for one socket are put down")
			}
		}, "onetwo", ClientClosed},
		"end":         {func(_ *loop, s *session, _ *l4test.Peer) { s.finish(Stopped) }, "one", Stopped},
		"end of loop": {func(l *loop, _ *session, _ *l4test.Peer) { l.cut(Stopped) }, "one", Stopped},
		"client's reset": {func(_ *loop, s *session, p *l4test.Peer) {
			p.Reset()
			s.client.breakDown(unix.ECONNRESET)
			s.step()
		}, "one", ClientReset},
	} {
		t.Run(name, func(t *testing.T) {
			withAndWithoutRing(t, func(t *testing.T, configure func(*Server)) {
				heard := make(chan string, 1)
				s := serve(t, configure, l4test.Serve(t, func(p *l4test.Peer) {
					p.Send("hello")
					b, _ := io.ReadAll(p.Conn())
					heard <- string(b)
				}).Addr())
				p := l4test.Dial(t, s.addr).Expect("hello")
				s.onOne(func(l *loop, one *session) {
					if speak(p, "one", one); !one.backend.posted || len(l.outbox.list) != 1 {
						t.Error("nothing was put down")
					}
					test.happen(l, one, p)
				})
				if test.cause == ClientClosed {
					p.CloseWrite().ExpectEOF()
				}
				if got := <-heard; got != test.heard {
					t.Errorf("the backend heard %q, want %q", got, test.heard)
				}
				if r := s.record(t, test.cause); r.ToBackend != uint64(len(test.heard)) {
					t.Errorf("%d bytes counted as handed to the backend, want %d", r.ToBackend, len(test.heard))
				}
			})
		})
	}
}

// What is not taken is sent when there is room, though nothing else happens: the first timer of a session fires after
// five seconds.
func TestWhatIsPutDownFindsNoRoom(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T, configure func(*Server)) {
		full := make(chan struct{})
		s := serve(t, configure, l4test.ServeNarrow(t, 4<<10, func(p *l4test.Peer) {
			p.Send("hello")
			<-full
			if b, _ := io.ReadAll(p.Conn()); strings.TrimLeft(string(b), "\x00") != "one" {
				t.Errorf("the backend heard %d bytes and they do not end in what its client said", len(b))
			}
			p.Send("bye")
		}).Addr())
		p := l4test.Dial(t, s.addr).Expect("hello")
		s.onOne(func(_ *loop, one *session) {
			setInt(one.backend.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1)
			for n := 1; n > 0; {
				n, _ = send(one.backend.fd, make([]byte, 1<<10), 0)
			}
			speak(p, "one", one)
		})
		close(full)
		l4test.Await(t, 4*time.Second, "the message to be taken", func() (taken bool) {
			s.onOne(func(_ *loop, one *session) { taken = one.backend.writable && !one.up.waiting() })
			return taken
		})
		p.CloseWrite().Expect("bye").ExpectEOF()
		s.record(t, ClientClosed)
	})
}

// A record that crypto/tls writes by itself, such as the answer to a key update, does not overtake one that was put
// down.
func TestRecordsDoNotOvertake(t *testing.T) {
	from, to := socketPair(t)
	l := &layer{side: &side{fd: int32(from), writable: true, posted: true}}
	if n, err := l.Write([]byte("record")); n != 6 || err != nil || string(l.held) != "record" {
		t.Errorf("%d bytes written, %v; %q is held", n, err, l.held)
	}
	if n, errno := recv(int32(to), make([]byte, 10)); errno != unix.EAGAIN {
		t.Errorf("%d bytes came, %v", n, errno)
	}
}

// What a session can't be rid of it is stepped for.
func TestWhatIsPutDownForNobody(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T, configure func(*Server)) {
		gone := make(chan struct{})
		s := serve(t, configure, l4test.Serve(t, func(p *l4test.Peer) {
			p.Send("hello").Expect("one").Reset()
			close(gone)
		}).Addr())
		p := l4test.Dial(t, s.addr).Expect("hello")
		s.onOne(func(l *loop, one *session) {
			speak(p, "one", one)
			one.flushQueued()
			<-gone
			speak(p, "two", one)
			l.sendOut() // EPIPE
		})
		p.ExpectReset()
		s.record(t, BackendReset)
	})
}

// A socket has one message in the outbox. A second one would be lost where the first is not taken whole, so it ends its
// session instead.
func TestSecondMessageIsNotPutDown(t *testing.T) {
	s := serve(t, nil, l4test.Echo(t).Addr())
	p := l4test.Dial(t, s.addr).Send("a").Expect("a")
	s.onOne(func(l *loop, one *session) {
		l.outbox.open = true
		defer l.sendOut()
		if !l.outbox.put(one, &one.client, []byte("b")) {
			t.Error("the first message finds no room")
		}
		defer func() {
			if recover() == nil {
				t.Error("a second message was put down")
			}
		}()
		l.outbox.put(one, &one.client, []byte("c"))
	})
	p.Expect("b").CloseWrite().ExpectEOF()
}

// breakRing makes every later call of r fail.
func breakRing(tb testing.TB, r *ring) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.Dup3(null, int(r.fd), unix.O_CLOEXEC), unix.Close(null))
	}
	if err != nil {
		tb.Error(err)
	}
}

// A server whose ring fails goes on without it.
func TestRingThatFails(t *testing.T) {
	needRing(t)
	s := serve(t, nil, l4test.Echo(t).Addr())
	peers := make([]*l4test.Peer, 30)
	for i := range peers {
		peers[i] = l4test.Dial(t, s.addr).Send("begin").Expect("begin")
	}
	s.onLoops(func(l *loop) { breakRing(t, l.outbox.ring) })
	for range 2 {
		s.atOnce(func() {
			for i, p := range peers {
				p.Send(fmt.Sprint(i))
			}
		})
		for i, p := range peers {
			p.Expect(fmt.Sprint(i))
		}
	}
	s.onLoops(func(l *loop) {
		if l.outbox.ring != nil {
			t.Error("the ring is still in use")
		}
	})
}

// Nor does it leave a socket open.
func TestRingThatFailsToClose(t *testing.T) {
	needRing(t)
	s := serve(t, nil, l4test.Echo(t).Addr())
	one, two := l4test.Dial(t, s.addr).Send("a").Expect("a"), l4test.Dial(t, s.addr).Send("b").Expect("b")
	s.onLoops(func(l *loop) {
		breakRing(t, l.outbox.ring)
		l.outbox.open = true
		for _, at := range l.slots {
			if at.session != nil {
				at.session.finish(ClientClosed)
			}
		}
		if len(l.outbox.list) != 4 {
			t.Errorf("%d sockets to be closed, want 4", len(l.outbox.list))
		}
		l.sendOut()
	})
	one.ExpectEOF().Close()
	two.ExpectEOF().Close()
}

// A session that is ended by a posted function is ended then, not when the loop has something to do again.
func TestSocketsAreClosedBeforeTheLoopSleeps(t *testing.T) {
	s := serve(t, nil, l4test.Echo(t).Addr())
	p := l4test.Dial(t, s.addr).Send("a").Expect("a")
	s.onLoops(func(l *loop) {
		for _, at := range l.slots {
			if at.session != nil {
				at.session.finish(ClientClosed)
			}
		}
		if len(l.outbox.list) > 0 {
			t.Error("something is put down outside of a turn")
		}
	})
	p.ExpectEOF().Close()
}

// Where descriptors are nearly used up a socket is closed at once.
func TestSocketsAreClosedAtOnceNearTheLimit(t *testing.T) {
	needRing(t)
	s := serve(t, func(s *Server) { s.MaxConns = 2 }, l4test.Echo(t).Addr())
	p, other := l4test.Dial(t, s.addr).Send("a").Expect("a"), l4test.Dial(t, s.addr).Send("b").Expect("b")
	s.onLoops(func(l *loop) {
		l.outbox.open = true
		for _, later := range []int{0, 2} {
			if i := slices.IndexFunc(l.slots, func(at slot) bool { return at.session != nil }); i >= 0 {
				l.slots[i].session.finish(ClientClosed)
			}
			if len(l.outbox.list) != later {
				t.Errorf("%d sockets to be closed later, want %d", len(l.outbox.list), later)
			}
		}
		l.sendOut()
	})
	p.ExpectEOF().Close()
	other.ExpectEOF().Close()
}

// Nothing is allocated for a message that is put down.
func TestMessagesSentTogetherAllocateNothing(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T, configure func(*Server)) {
		useRing := configure == nil
		l := &loop{outbox: newOutbox(useRing)}
		defer l.outbox.close()
		a, b := socketPair(t)
		s := &session{client: side{fd: int32(a), writable: true}, backend: side{fd: int32(b), number: 1, writable: true}}
		l.add(s)
		into := make([]byte, 64)
		if n := testing.AllocsPerRun(100, func() {
			l.outbox.open = true
			copy(l.outbox.room(), "up")
			s.post(&s.up, &s.client, &s.backend, l.outbox.room()[:2])
			copy(l.outbox.room(), "down")
			s.post(&s.down, &s.backend, &s.client, l.outbox.room()[:4])
			l.sendOut()
			unix.Read(a, into)
			unix.Read(b, into)
		}); n != 0 {
			t.Errorf("%v allocations for two messages", n)
		}
		if s.up.written == 0 || s.up.waiting() || s.down.waiting() {
			t.Errorf("%+v, %+v", s.up, s.down)
		}
	})
}
