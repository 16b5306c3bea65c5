package l4

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"forebay/l4/l4test"
)

// An ending is how an actor stops talking.
type ending uint8

const (
	orderly   ending = iota // with FIN, and over TLS with close_notify before it
	notified                // with close_notify alone, where TLS is spoken
	truncated               // with FIN alone: over TLS that is not the end
	hasty                   // with RST behind the orderly end
	broken                  // with RST
	endings
)

func (e ending) String() string {
	return [...]string{"orderly", "notified", "truncated", "hasty", "broken"}[e]
}

// An actor is one end of a session. It says and hears at the same time.
type actor struct {
	secure  bool
	version uint16
	says    []byte
	pieces  int // how much one write takes
	ends    ending
	reads   int           // how much one read takes
	lag     time.Duration // before each, so that the other side finds no room
	borne   bool          // its FIN without close_notify is passed on as an end
	absent  bool          // the session never came to this end

	heard []byte
	fault error // nil where what it heard came to an end, and all it had to say was taken
}

func newActor(r *rand.Rand, secure bool) *actor {
	a := &actor{
		secure:  secure,
		version: tls.VersionTLS12 + uint16(r.IntN(2)),
		says:    make([]byte, r.IntN(64<<r.IntN(13))),
		pieces:  1 + r.IntN(16<<r.IntN(13)),
		reads:   4<<10 + r.IntN(1<<10<<r.IntN(7)),
		ends:    ending(max(0, r.IntN(2*int(endings))-int(endings))),
	}
	a.pieces = max(a.pieces, len(a.says)/200)
	for i := range a.says {
		a.says[i] = byte(r.Uint32())
	}
	if r.IntN(3) == 0 {
		a.lag = time.Duration(r.IntN(1000)) * time.Microsecond
	}
	return a
}

func (a *actor) String() string {
	return fmt.Sprintf("(TLS %v, says %d by %d and ends %v, hears %d by %d after %v each and %v)",
		a.secure, len(a.says), a.pieces, a.ends, len(a.heard), a.reads, a.lag, a.fault)
}

// whole reports whether a says all it has to say, that it has, and hears the rest.
func (a *actor) whole() bool {
	return a.ends == orderly || a.ends == notified || a.ends == truncated && !a.secure
}

// play says and hears all. over is the TLS on top of raw.
func (a *actor) play(raw *net.TCPConn, over *tls.Conn) {
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(patience))
	var conn io.ReadWriter = raw
	if a.secure {
		conn = over
		if a.fault = over.Handshake(); a.fault != nil {
			return
		}
	}
	var talking sync.WaitGroup
	var unsaid error // a call that finds a reset takes it away from the others, who see a clean end then
	talking.Go(func() { unsaid = a.talk(raw, over, conn) })
	for buf := make([]byte, a.reads); a.fault == nil; {
		<-time.After(a.lag)
		n, err := conn.Read(buf)
		a.heard, a.fault = append(a.heard, buf[:n]...), err
	}
	if a.fault == io.EOF {
		a.fault = nil
	}
	talking.Wait()
	a.fault = cmp.Or(a.fault, unsaid)
}

func (a *actor) talk(raw *net.TCPConn, over *tls.Conn, conn io.Writer) (err error) {
	for rest := a.says; len(rest) > 0 && err == nil; {
		var n int
		n, err = conn.Write(rest[:min(a.pieces, len(rest))])
		rest = rest[n:]
	}
	if err == nil && a.secure && a.ends != truncated && a.ends != broken {
		err = over.CloseWrite()
	}
	if err == nil && a.ends != broken && (a.ends != notified || !a.secure) {
		err = raw.CloseWrite()
	}
	if err == nil && (a.ends == hasty || a.ends == broken) {
		raw.SetLinger(0)
		err = raw.Close()
	}
	return err
}

// check compares what a heard with what the other end said.
func (a *actor) check(from *actor) error {
	all := len(a.heard) == len(from.says)
	switch {
	case a.absent || a.ends == hasty || a.ends == broken:
	case !bytes.HasPrefix(from.says, a.heard):
		return fmt.Errorf("%v heard what %v did not say", a, from)
	case a.fault == nil && !from.whole() && !(from.ends == hasty && all) && !(from.ends == truncated && from.borne && all):
		return fmt.Errorf("%v took a part of %v for the whole", a, from)
	case a.whole() && !all && (from.whole() || from.ends == truncated):
		return fmt.Errorf("%v did not hear all of %v", a, from)
	case a.whole() && from.whole() && a.fault != nil:
		return fmt.Errorf("%v did not hear the end of %v", a, from)
	}
	return nil
}

// A model knows what each session is to do. The PROXY header tells a backend which one it has.
type model struct {
	id       *identity
	client   bool     // TLS is spoken with clients
	backend  bool     // and with backends
	lenient  bool     // whose FIN without close_notify is passed on
	sessions sync.Map // by the client's address: *scene
}

// A scene is a session.
type scene struct {
	client, backend *actor
	cast            chan struct{} // closed when the actors are known
	record          chan Record
	outcome         Record
}

func (m *model) scene(client string) *scene {
	s, _ := m.sessions.LoadOrStore(client, &scene{cast: make(chan struct{}), record: make(chan Record, 1)})
	return s.(*scene)
}

// run plays a client's part.
func (m *model) run(t *testing.T, addr string, random *rand.Rand) *scene {
	raw := l4test.Dial(t, addr).Conn()
	s := m.scene(raw.LocalAddr().String())
	s.client, s.backend = newActor(random, m.client), newActor(random, m.backend)
	s.backend.borne = m.lenient
	close(s.cast)
	config := m.id.client()
	config.MaxVersion = s.client.version
	s.client.play(raw.(*net.TCPConn), tls.Client(raw, config))
	select {
	case s.outcome = <-s.record:
	case <-time.After(patience):
		t.Errorf("a session of %v and %v has not ended", s.client, s.backend)
	}
	s.backend.absent = s.outcome.Backend == ""
	return s
}

// serve plays a backend's part.
func (m *model) serve(p *l4test.Peer) {
	raw, header, b := p.Conn().(*net.TCPConn), "", make([]byte, 1)
	for !strings.HasSuffix(header, "\r\n") {
		if _, err := raw.Read(b); err != nil {
			return // reset before it came
		}
		header += string(b)
	}
	f := strings.Fields(header)
	s := m.scene(net.JoinHostPort(f[2], f[4]))
	<-s.cast
	config := m.id.server()
	config.MaxVersion = s.backend.version
	s.backend.play(raw, tls.Server(raw, config))
}

// check compares what was heard with what was said, and both with the Record.
func (s *scene) check() error {
	r := &s.outcome
	whole := s.client.whole() && s.backend.whole()
	var fault error
	switch hurried := s.client.ends == hasty || s.backend.ends == hasty; {
	case r.Cause.Clean() != whole && !hurried:
		fault = fmt.Errorf("%v and %v ended by %v", s.client, s.backend, r.Cause)
	case whole && (r.FromClient != uint64(len(s.client.says)) || r.ToBackend != r.FromClient ||
		r.FromBackend != uint64(len(s.backend.says)) || r.ToClient != r.FromBackend):
		fault = fmt.Errorf("%v and %v: %+v", s.client, s.backend, r)
	}
	return errors.Join(s.client.check(s.backend), s.backend.check(s.client), fault)
}

// harass makes the sockets of all sessions small and moves the sessions between the loops, again and again.
func (s *testServer) harass(enough <-chan struct{}) {
	for {
		select {
		case <-enough:
			return
		case <-time.After(time.Millisecond):
		}
		s.onLoops(func(l *loop) {
			for _, at := range l.slots {
				if at.session != nil {
					at.session.harass(s.loops[1-l.number])
				}
			}
		})
	}
}

func (s *session) harass(other *loop) {
	for _, e := range []*side{&s.client, &s.backend} {
		if e.open() {
			setInt(e.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1) // the kernel makes that 4608
		}
	}
	if s.movable() {
		s.loop.hand(s, other)
	}
}

// Whatever the two ends of a session say, in whatever pieces, and however each ends: the other hears what it would hear
// over a direct connection, and never takes a part for the whole.
func TestSessionsAgainstAModel(t *testing.T) {
	id := newIdentity(t, "one.example")
	for name, o := range map[string]struct{ client, backend, lenient, harassed bool }{
		"no TLS":                  {false, false, false, true},
		"TLS of client":           {true, false, false, true},
		"TLS of backend":          {false, true, false, true},
		"TLS of both":             {true, true, false, true},
		"TLS of backend, lenient": {false, true, true, true},
		"TLS of both, lenient":    {true, true, true, true},
		"left in peace":           {true, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &model{id: id, client: o.client, backend: o.backend, lenient: o.lenient}
			b := l4test.Serve(t, m.serve)
			s := serve(t, func(s *Server) {
				s.Loops, s.ProxyOut, s.ConnectTimeout, s.HandshakeTimeout = 2, ProxyV1, patience, patience
				s.Finished = func(r *Record) { m.scene(r.Client.String()).record <- *r }
				if o.client {
					id.ending(s)
				}
				if o.backend {
					s.BackendTLS, s.StrictBackendEOF = id.backendTLS, !o.lenient
				}
			}, b.Addr())
			m.play(t, s, b, o.harassed)
		})
	}
}

// play plays some sessions at once, and checks each.
func (m *model) play(t *testing.T, s *testServer, b *l4test.Backend, harassed bool) {
	var playing, harassing sync.WaitGroup
	enough := make(chan struct{})
	if harassed {
		harassing.Go(func() { s.harass(enough) })
	}
	seed, scenes := rand.Uint64(), make([]*scene, 25)
	for i := range scenes {
		playing.Go(func() { scenes[i] = m.run(t, s.addr, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	playing.Wait()
	close(enough)
	harassing.Wait()
	connected := 0
	for _, sc := range scenes {
		if !sc.backend.absent {
			connected++
		}
	}
	b.AwaitDone(connected)
	for i, sc := range scenes {
		if err := sc.check(); err != nil {
			t.Errorf("number %d of seed %d: %v", i, seed, err)
		}
	}
}
