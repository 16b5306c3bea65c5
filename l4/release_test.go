package l4

import (
	"io"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
	"forebay/pool"
)

// What is queued for a backend that ends without a byte is taken back when its session goes to another one: the dead
// one is not sent what it could act on, the next one is sent it once, and nobody else is sent it.
func TestReplayTakesBackWhatIsQueued(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T, configure func(*Server)) {
		end, ended := make(chan struct{}), make(chan string, 1)
		dead := l4test.Serve(t, func(p *l4test.Peer) {
			<-end
			p.CloseWrite()
			b, _ := io.ReadAll(p.Conn())
			ended <- string(b)
		})
		s := replaying(t, 64, configure, dead.Addr(), l4test.Echo(t).Addr())
		p := l4test.Dial(t, s.addr)
		l4test.Await(t, patience, "the session is relayed", func() bool { return s.has(relaying) })
		s.onOne(func(_ *loop, one *session) {
			close(end)
			l4test.Await(t, patience, "the backend has ended", func() bool {
				n, _ := peek(one.backend.fd, make([]byte, 1))
				return n == 0
			})
			speak(p, "one", one)
			if !one.backend.posted {
				t.Error("nothing was put down")
			}
			one.backend.note(unix.EPOLLIN | unix.EPOLLRDHUP)
			one.step() // and not the loop's step, which sends first
		})
		p.Expect("one").CloseWrite().ExpectEOF()
		if got := <-ended; got != "" {
			t.Errorf("the dead backend was sent %q", got)
		}
		if r := s.record(t, ClientClosed); r.ToBackend != 3 || !slices.Equal(results(r), []pool.Outcome{pool.Died, pool.Served}) {
			t.Errorf("%d bytes to the backend after %v, want 3 after one that died", r.ToBackend, results(r))
		}
		if n := s.Snapshot().Misdirected; n != 0 {
			t.Errorf("%d calls would have met the wrong socket", n)
		}
	})
}

// A message whose session has another socket by the time it is to be sent, or none, or has ended, is not sent to
// whatever is there now. The faults are made here: no code does so.
func TestMessagesForAnotherSocketAreNotSent(t *testing.T) {
	for name, corrupt := range map[string]func(l *loop, one *session, other int32){
		"another descriptor": func(_ *loop, s *session, other int32) { s.backend.fd = other },
		"another number":     func(_ *loop, s *session, other int32) { s.backend.fd, s.backend.number = other, s.backend.number+1 },
		"queued for nobody":  func(_ *loop, s *session, _ int32) { s.backend.posted = false },
		"another session": func(l *loop, s *session, other int32) {
			l.age++
			s.age, l.slots[s.slot].age = l.age, l.age
			s.backend.fd = other
		},
	} {
		t.Run(name, func(t *testing.T) {
			withAndWithoutRing(t, func(t *testing.T, configure func(*Server)) {
				s := serve(t, configure, l4test.Banner(t, "hello").Addr())
				p := l4test.Dial(t, s.addr).Expect("hello")
				other, peer := socketPair(t)
				s.onOne(func(l *loop, one *session) {
					speak(p, "one", one)
					own := one.backend.fd
					corrupt(l, one, int32(other))
					l.outbox.list = append(l.outbox.list, l.outbox.list[0]) // two, so that a ring is used where there is one
					l.sendOut()
					if n, _ := recv(int32(peer), make([]byte, 8)); n > 0 {
						t.Errorf("%d bytes were sent to a socket of somebody else", n)
					}
					if at := l.find(one.ref()); at != nil && one.age >= 0 {
						one.backend.fd = own // of a session that was not known to be the one
						one.finish(InternalBug)
					} else if own != one.backend.fd && own >= 0 && name != "queued for nobody" {
						closeFD(own)
					}
				})
				s.record(t, InternalBug)
				if n := s.Snapshot().Misdirected; n == 0 {
					t.Error("the fault was not counted")
				}
			})
		})
	}
}

// A ref finds the session that it was taken of, or none.
func TestRef(t *testing.T) {
	l := &loop{}
	s := &session{}
	l.add(s)
	r := s.ref()
	if l.find(r) != s {
		t.Fatal("a session was not found")
	}
	l.remove(s)
	if l.find(r) != nil {
		t.Error("a session was found that has ended")
	}
	next := &session{}
	l.add(next)
	if next.slot != r.slot || l.find(r) != nil {
		t.Error("another session was found in its place")
	}
	for _, none := range []ref{{slot: -1}, {slot: 1 << 20}, s.ref()} {
		if l.find(none) != nil {
			t.Errorf("%v found a session", none)
		}
	}
}

// A ring that is asked for the results of a call takes none of another call for them.
func TestRingKnowsWhatIsOfAnotherCall(t *testing.T) {
	r := needRing(t)
	from, _ := socketPair(t)
	late := []outgoing{{fd: int32(from), act: sends, bytes: []byte("late")}}
	r.put(0, &late[0]) // of a call before the first
	out := []outgoing{{fd: int32(from), act: sends, bytes: []byte("a")}}
	r.put(0, &late[0])
	if n := r.submit(2); n != 2 {
		t.Fatalf("%d taken", n)
	}
	if _, whole := r.carryOut(out); whole {
		t.Error("results of another call were taken for this one's")
	}
}

// A pipe that is given back with bytes in it, which its session did not know of, is lent to nobody.
func TestPipesAreLentEmpty(t *testing.T) {
	p := &pipes{most: 2}
	defer p.close()
	b, _ := p.borrow()
	if _, err := unix.Write(int(b.w), []byte("somebody's")); err != nil {
		t.Fatal(err)
	}
	p.giveBack(b)
	next, dirty := p.borrow()
	if next == nil || dirty != 1 || unread(next.r) != 0 {
		t.Fatalf("lent %+v, %d found dirty; want an empty one and 1", next, dirty)
	}
	p.giveBack(next)
	if caughtFrom(func() { p.giveBack(next) }) == nil {
		t.Error("one pipe was given back twice")
	}
}
