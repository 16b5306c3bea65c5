package l4

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// serverState is what a Server keeps while it serves.
type serverState struct {
	epoch          time.Time // when the server's clock showed 0
	wall           wall
	budget         budget
	listeners      []*listener
	idle           func() time.Duration // how long the machine's processors have been idle; nil: what the kernel says
	pipesPerLoop   int
	socketsPerLoop int // how many a loop may keep for the next session
	mostLoops      int
	unpaces        bool    // the kernel's congestion control paces, which is for nothing over loopback
	ports          ports   // that the kernel chooses local ports from
	idPrefix       [8]byte // of the process, in every unique ID
	namespace      string  // of the network namespace, where it has a name and backends are told of it

	door *doorkeeper // nil: everybody may come in

	places  places       // where TLS handshakes are computed
	shaking atomic.Int64 // TLS handshakes that have begun and are not done
	tidier  *tidier      // returns the memory that handshakes leave behind

	sessions atomic.Int64 // those that exist, and those being accepted
	full     atomic.Bool  // a loop found no room and wants to hear of it
	finished atomic.Uint64
	pauses   complaint // accepting paused because this machine lacked something
	faults   complaint // a try failed because this machine lacked something
	refusals complaint // a system call was refused, and another way is used
	connects atomic.Uint64
	hedges   atomic.Uint64
	unique   atomic.Uint64
	sourceAt atomic.Uint32
	handed   atomic.Uint64 // sessions given from one loop to another
	adopted  atomic.Uint64 // of these, those that have arrived

	mu       sync.Mutex
	loops    []*loop // started, in order
	group    sync.WaitGroup
	stopping bool
	deaf     bool  // nothing is accepted any more
	fault    error // why a loop ended by itself

	draining atomic.Bool
	cutting  atomic.Bool
	drained  chan struct{} // closed when a drain has no session left
	started  chan struct{} // closed when Serve accepts
	quit     chan struct{} // closed when the loops are told to end
	once     sync.Once
}

// errStopped is returned by a Serve that comes after Shutdown.
var errStopped = errors.New("the server has been stopped")

// A CutError says that sessions were still open when a stop could wait no longer; they were reset.
type CutError struct{ Sessions int }

func (e *CutError) Error() string {
	if e.Sessions == 1 {
		return "1 session was cut"
	}
	return fmt.Sprintf("%d sessions were cut", e.Sessions)
}

// prepare makes the parts that Serve and Shutdown share, whichever comes first.
func (s *Server) prepare() {
	s.once.Do(func() {
		s.epoch = time.Now()
		s.wall.begin(s.epoch)
		s.budget.most = s.Buffers
		s.drained, s.started, s.quit = make(chan struct{}), make(chan struct{}), make(chan struct{})
		rand.Read(s.idPrefix[:])
		s.unpaces = kernelPaces()
		s.ports = kernelPorts()
		if s.ProxyTLV&ProxyNetNS != 0 {
			s.namespace = namespaceName(namedNamespaces)
		}
		s.mostLoops = LoopsFor(s.Loops)
		if s.MaxConns == 0 {
			limit, _ := DescriptorLimit()
			s.MaxConns = max(MaxConnsFor(limit, s.mostLoops), 1)
		}
		s.places.free, s.tidier = s.handshakes(), newTidier()
		s.door = newDoorkeeper(&s.Limits, s.MaxConns)
		limit := descriptorLimit()
		s.pipesPerLoop = pipesFor(limit, s.mostLoops) / s.mostLoops
		s.socketsPerLoop = socketsFor(limit) / s.mostLoops
	})
}

// Serve accepts from the listeners and relays until Shutdown or Stop has ended the last session, or something keeps it
// from working; it closes the listeners. It may be called once.
func (s *Server) Serve(listeners ...*Listener) error {
	s.prepare()
	s.own(listeners)
	defer s.closeListeners()
	if err := s.validate(); err != nil {
		return err
	}
	for _, ln := range s.listeners {
		if err := unix.SetNonblock(int(ln.fd), true); err != nil { // os.File.Fd made it blocking
			return os.NewSyscallError("fcntl", err)
		}
		s.inherit(ln)
	}
	for range max(s.Loops, 1) {
		if _, err := s.startLoop(); err != nil {
			s.endLoops()
			s.group.Wait()
			return err
		}
	}
	s.followDown()
	s.followSkew()
	s.aside(func() { s.tidier.run(s.quit) })
	close(s.started)
	s.group.Wait()
	return s.fault
}

// validate refuses a configuration that would fail later.
func (s *Server) validate() error {
	if s.Loops > MostLoops {
		return fmt.Errorf("%d event loops are more than the kernel can wake: %d", s.Loops, MostLoops)
	}
	if s.Tries < 1 || s.Tries > maxTries {
		return fmt.Errorf("%d tries: 1 to %d are right", s.Tries, maxTries)
	}
	return nil
}

// own takes the listeners over.
func (s *Server) own(listeners []*Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ln := range listeners {
		s.listeners = append(s.listeners,
			&listener{Listener: ln, fd: int32(ln.File.Fd()), name: ln.Name, unix: ln.Address.IsUNIX()})
	}
}

// Started is closed when Serve accepts.
func (s *Server) Started() <-chan struct{} {
	s.prepare()
	return s.started
}

// startLoop starts one more loop.
func (s *Server) startLoop() (*loop, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || s.deaf {
		return nil, errStopped
	}
	l, err := newLoop(s, len(s.loops))
	if err != nil {
		return nil, err
	}
	if err := l.listen(s.listeners); err != nil {
		l.close()
		return nil, fmt.Errorf("accept on an event loop: %w", err)
	}
	s.loops = append(s.loops, l)
	s.group.Go(func() {
		if err := l.run(); err != nil {
			s.failed(err)
		}
	})
	return l, nil
}

// failed ends the server because a loop cannot go on.
func (s *Server) failed(err error) {
	s.mu.Lock()
	s.fault = errors.Join(s.fault, err)
	s.mu.Unlock()
	s.endLoops()
}

// endLoops has every loop reset its sessions and return.
func (s *Server) endLoops() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping {
		close(s.quit)
	}
	s.stopping = true
	for _, l := range s.loops {
		l.post(func() {
			l.deafen(false)
			l.cut(Stopped)
			l.ended = true
		})
	}
}

func (s *Server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ln := range s.listeners {
		ln.File.Close()
	}
}

// Shutdown stops accepting, once the listeners' queues are taken in, and waits until the last session has ended or ctx
// is done. The sessions left then are reset, and a *CutError tells their number. Serve returns after that.
func (s *Server) Shutdown(ctx context.Context) error {
	s.prepare()
	s.stopAccepting()
	cut := error(nil)
	select {
	case <-s.drained:
	case <-ctx.Done():
		cut = s.cut(DrainCut)
	}
	s.endLoops()
	return cut
}

// Stop resets every session and ends Serve.
func (s *Server) Stop() error {
	s.prepare()
	s.stopAccepting()
	err := s.cut(Stopped)
	s.endLoops()
	return err
}

// stopAccepting returns once no loop accepts.
func (s *Server) stopAccepting() {
	s.mu.Lock()
	s.deaf = true // before the loops are told: none may start or wake up with listeners that are about to be closed
	s.mu.Unlock()
	s.onLoops(func(l *loop) { l.deafen(true) })
	s.closeListeners()
	s.draining.Store(true)
	s.reportEmpty()
}

// closes reports whether the listeners are about to be closed.
func (s *Server) closes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deaf
}

// cut resets the sessions that are left.
func (s *Server) cut(why Cause) error {
	n := int(s.sessions.Load())
	s.cutting.Store(true)
	s.onLoops(func(l *loop) { l.cut(why) })
	if n == 0 {
		return nil
	}
	return &CutError{Sessions: n}
}

// onLoops runs f on every loop and waits for all.
func (s *Server) onLoops(f func(*loop)) {
	s.acrossLoops(func(l *loop, done func()) { f(l); done() })
}

// acrossLoops runs f on every loop, and returns when all have called done; false where the server stops.
func (s *Server) acrossLoops(f func(l *loop, done func())) bool {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return false
	}
	var all sync.WaitGroup
	all.Add(len(s.loops))
	for _, l := range s.loops {
		if !l.post(func() { f(l, all.Done) }) {
			all.Done()
		}
	}
	s.mu.Unlock()
	all.Wait()
	return true
}

// reportEmpty ends the wait of a drain once no session is left.
func (s *Server) reportEmpty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions.Load() != 0 {
		return
	}
	select {
	case <-s.drained:
	default:
		close(s.drained)
	}
}

// clock is the time of the server: monotonic, in nanoseconds since it began.
func (s *Server) clock() int64 { return int64(time.Since(s.epoch)) }

func (s *Server) log() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
}
