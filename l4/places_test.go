package l4

import (
	"crypto"
	"crypto/tls"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// inLine returns handshakes of clients, one for each time at which one began, that stand in line for a place.
func inLine(p *places, began ...time.Duration) (all []*handshake) {
	for _, at := range began {
		h := &handshake{hello: 500, began: int64(at), turn: make(chan bool, 1)}
		p.enter(h)
		all = append(all, h)
	}
	return all
}

// served returns who leaves the line, in order, where a place is left at now again and again: the numbers of those in
// all.
func served(p *places, all []*handshake, now time.Duration) (order []int) {
	for range all {
		if h := p.leave(int64(now)); h != nil {
			order = append(order, slices.Index(all, h))
		}
	}
	return order
}

func TestWhoIsNextForAPlace(t *testing.T) {
	const second = time.Second
	for name, c := range map[string]struct {
		now   time.Duration
		gone  []int
		order []int
	}{
		"the oldest":                            {second, nil, []int{0, 1, 2, 3}},
		"the oldest that is there":              {second, []int{0, 2}, []int{1, 3}},
		"the newest where one waits for long":   {3 * second / 2, nil, []int{3, 2, 1, 0}},
		"the oldest where that one has left":    {3 * second / 2, []int{0}, []int{1, 2, 3}},
		"the newest where all wait for long":    {5 * second, nil, []int{3, 2, 1, 0}},
		"the newest that is there":              {5 * second, []int{3, 1}, []int{2, 0}},
		"nobody where nobody is there any more": {5 * second, []int{2, 1, 3, 0}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var p places
			all := inLine(&p, 0, second-3, second-2, second-1)
			for _, i := range c.gone {
				if !p.cancel(all[i]) || p.cancel(all[i]) {
					t.Errorf("handshake %d can't leave the line once", i)
				}
			}
			if got := served(&p, all, c.now); !slices.Equal(got, c.order) {
				t.Errorf("order %v, want %v", got, c.order)
			}
			if p.held != 0 || p.fresh.count != 0 || p.left != uint64(len(c.gone)) {
				t.Errorf("%d bytes of %d handshakes are held, %d left; want none, and %d", p.held, p.fresh.count, p.left, len(c.gone))
			}
		})
	}
}

// Handshakes that have begun go on before new ones begin, and so do those with backends.
func TestBegunHandshakesAreNext(t *testing.T) {
	p := places{free: 1}
	first, toBackend := &handshake{hello: 500, turn: make(chan bool, 1)}, &handshake{turn: make(chan bool, 1)}
	if begins, _ := p.enter(first); !begins {
		t.Fatal("the first one does not begin")
	}
	fresh := inLine(&p, 1)[0]
	if h := p.leave(0); h != fresh {
		t.Fatal("a place that was left is not given to who waits for it")
	}
	last := inLine(&p, 2)[0]
	p.enter(toBackend)
	again := make(chan bool)
	go func() { again <- p.again(first) }()
	l4test.Await(t, patience, "the first one waits to go on", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.underWay.count == 2
	})
	if h := p.leave(0); h != toBackend {
		t.Error("a handshake with a backend is not begun before a client's")
	}
	if h := p.leave(0); h != nil || !<-again {
		t.Error("a handshake that has begun does not go on before a client's is begun")
	}
	if h := p.leave(0); h != last {
		t.Error("the last one is not begun")
	}
	if h := p.leave(0); h != nil || p.free != 1 {
		t.Errorf("%d places are free in the end, want 1", p.free)
	}
}

// Who has begun and is abandoned in line does not go on, and takes no place away.
func TestAbandonedInLine(t *testing.T) {
	var p places
	h := &handshake{hello: 500, turn: make(chan bool, 1)}
	h.begun.Store(true)
	again := make(chan bool)
	go func() { again <- p.again(h) }()
	l4test.Await(t, patience, "it stands in line", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.underWay.count == 1
	})
	if p.cancel(h) || h.line == nil { // its client has sent FIN, behind the last it had to say
		t.Error("it is taken for one that has not begun")
	}
	if p.abandon(h); <-again {
		t.Error("it goes on")
	}
	if p.leave(0); p.free != 1 {
		t.Errorf("%d places are free, want 1", p.free)
	}
}

// What waits keeps so much memory and not more: the oldest are dropped.
func TestWaitingHandshakesAreBounded(t *testing.T) {
	var p places
	var all, dropped []*handshake
	const hello = 60 << 10
	for range 2 * freshMost / hello {
		h := &handshake{hello: hello}
		_, some := p.enter(h)
		all, dropped = append(all, h), append(dropped, some...)
		if p.held > freshMost {
			t.Fatalf("%d bytes are held, want %d at most", p.held, freshMost)
		}
	}
	if n := p.fresh.count; n < freshMost/(hello+freshSize)-1 || n+len(dropped) != len(all) {
		t.Errorf("%d of %d wait, and %d were dropped", n, len(all), len(dropped))
	}
	if !slices.Equal(dropped, all[:len(dropped)]) {
		t.Error("others were dropped than the oldest")
	}
}

// A slowKey does not sign until it may, and counts how often it was to.
type slowKey struct {
	crypto.Signer
	asked atomic.Int64
	may   chan struct{}
}

func (k *slowKey) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	k.asked.Add(1)
	<-k.may
	return k.Signer.Sign(rand, digest, opts)
}

// slowly gives i a slowKey.
func (i *identity) slowly() *slowKey {
	k := &slowKey{Signer: i.certificate.PrivateKey.(crypto.Signer), may: make(chan struct{})}
	i.certificate.PrivateKey = k
	return k
}

// occupied is a Server with one place, which is taken until key may sign; and one client more is as helloOf says.
func occupied(t *testing.T, configure func(*Server)) (s *testServer, id *identity, key *slowKey) {
	id = newIdentity(t, "one.example")
	key = id.slowly()
	s = serve(t, func(s *Server) {
		s.TLS, s.Handshakes, s.Loops = id.server(), 1, 2
		configure(s)
	}, l4test.Echo(t).Addr())
	sendHello(t, s, id)
	l4test.Await(t, patience, "the first handshake is computed", func() bool { return key.asked.Load() == 1 })
	return s, id, key
}

// sendHello is a client that sends its ClientHello and nothing more.
func sendHello(t *testing.T, s *testServer, id *identity) *l4test.Peer {
	p := l4test.Dial(t, s.addr)
	tls.Client(&firstOnly{Conn: p.Conn()}, id.client()).Handshake()
	return p
}

// Nothing is computed for clients that have left before their handshakes were begun, and they end at once, whatever is
// computed meanwhile.
func TestClientsThatLeaveCostNothing(t *testing.T) {
	const clients = 50
	for name, leave := range map[string]func(*l4test.Peer) *l4test.Peer{
		"reset": func(p *l4test.Peer) *l4test.Peer { p.Reset(); return p },
		"FIN":   (*l4test.Peer).CloseWrite,
	} {
		t.Run(name, func(t *testing.T) {
			s, id, key := occupied(t, func(*Server) {})
			for range clients {
				leave(sendHello(t, s, id))
			}
			for range clients {
				if r := s.record(t, ClientLeft); !strings.Contains(r.ClientTLS.Fault, "within the handshake") {
					t.Errorf("fault %q, want that the connection ended within the handshake", r.ClientTLS.Fault)
				}
			}
			if n := s.shaking.Load(); n != 1 {
				t.Errorf("%d handshakes are under way, want 1", n)
			}
			close(key.may)
			c := dialTLS(t, s.addr, id.client())
			say(t, c, "x")
			expect(t, c, "x")
			if n := key.asked.Load(); n != 2 {
				t.Errorf("the key signed %d times, want 2", n)
			}
			if n := s.Snapshot(); n.Waiting != 0 {
				t.Errorf("%d handshakes wait, want none", n.Waiting)
			}
		})
	}
}

// A client whose time is over before its handshake was begun is told of as such, and nothing is computed for it.
func TestHandshakeTimeoutInLine(t *testing.T) {
	const clients = 20
	s, id, key := occupied(t, func(s *Server) { s.HandshakeTimeout = time.Second })
	for range clients {
		sendHello(t, s, id)
	}
	begun := 0
	for range clients + 1 {
		if r := s.record(t, HandshakeTimeout); !strings.Contains(r.ClientTLS.Fault, "it was not begun") {
			begun++
		}
	}
	if begun != 1 {
		t.Errorf("%d handshakes had been begun, want 1", begun)
	}
	close(key.may)
	l4test.Await(t, patience, "no handshake is left", func() bool { return s.shaking.Load() == 0 })
	if n := key.asked.Load(); n != 1 {
		t.Errorf("the key signed %d times, want once", n)
	}
}

// A stop ends those that wait: the server is gone once what is computed at the moment is done.
func TestStopEndsWaitingHandshakes(t *testing.T) {
	const clients = 20
	s, id, key := occupied(t, func(*Server) {})
	for range clients {
		sendHello(t, s, id)
	}
	l4test.Await(t, patience, "they wait", func() bool { return s.Snapshot().Waiting == clients })
	s.Stop()
	for range clients + 1 {
		s.record(t, Stopped)
	}
	close(key.may)
	s.group.Wait()
	if n := key.asked.Load(); n != 1 {
		t.Errorf("the key signed %d times, want once", n)
	}
}
