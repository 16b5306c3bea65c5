package l4

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"forebay/pool"
)

// serverState is what a Server keeps while it serves.
type serverState struct {
	epoch        time.Time // when the server's clock showed 0
	listeners    []*listener
	pipesPerLoop int
	mostLoops    int
	idPrefix     [8]byte // of the process, in every unique ID

	sessions atomic.Int64 // those that exist and those being accepted
	full     atomic.Bool  // a loop found no room and wants to hear of it
	finished atomic.Uint64
	pauses   atomic.Uint64
	connects atomic.Uint64
	hedges   atomic.Uint64
	unique   atomic.Uint64
	sourceAt atomic.Uint32

	mu       sync.Mutex
	loops    []*loop // started, in order
	group    sync.WaitGroup
	stopping bool
	deaf     bool  // nothing is accepted any more
	fault    error // why a loop ended by itself

	draining atomic.Bool
	cutting  atomic.Bool
	empty    chan struct{} // closed when a drain has no session left
	started  chan struct{} // closed when Serve accepts
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
		s.empty, s.started = make(chan struct{}), make(chan struct{})
		rand.Read(s.idPrefix[:])
		s.mostLoops = s.Loops
		if s.Loops == 0 {
			s.mostLoops = runtime.GOMAXPROCS(0)
		}
		if s.MaxConns == 0 {
			limit, _ := DescriptorLimit()
			s.MaxConns = MaxConnsFor(limit)
		}
		s.pipesPerLoop = max(pipesFor(descriptorLimit())/s.mostLoops, 1)
	})
}

// Serve accepts from the listeners and relays until Shutdown or Stop has ended the last session, or something keeps it from working; it
// closes the listeners. It may be called once.
func (s *Server) Serve(listeners ...*Listener) error {
	s.prepare()
	s.own(listeners)
	defer s.closeListeners()
	for _, ln := range s.listeners {
		if err := unix.SetNonblock(int(ln.fd), true); err != nil { // Fd made it blocking
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
	close(s.started)
	s.group.Wait()
	return s.fault
}

// own takes the listeners over.
func (s *Server) own(listeners []*Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ln := range listeners {
		s.listeners = append(s.listeners, &listener{Listener: ln, fd: int32(ln.File.Fd()), name: ln.Name, unix: ln.Address.IsUNIX()})
	}
}

// Started is closed when Serve accepts.
func (s *Server) Started() <-chan struct{} {
	s.prepare()
	return s.started
}

// inherit sets on a listening socket what every connection accepted from it will have.
func (s *Server) inherit(ln *listener) {
	if ln.unix {
		return
	}
	setInt(ln.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	s.guard(&side{fd: ln.fd, tcp: true})
}

// Keep-alive probes: after KeepAlive of silence, then keepProbes of them at a keepShare of it.
const (
	keepProbes = 3
	keepShare  = 4
)

// guard has the kernel notice a peer that has died: one that stops acknowledging, and one that is merely silent.
func (s *Server) guard(e *side) {
	if !e.tcp || !e.open() {
		return
	}
	if s.UserTimeout > 0 {
		setInt(e.fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(s.UserTimeout/time.Millisecond))
	}
	if s.KeepAlive > 0 {
		setInt(e.fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
		setInt(e.fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, max(int(s.KeepAlive/time.Second), 1))
		setInt(e.fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, max(int(s.KeepAlive/time.Second/keepShare), 1))
		setInt(e.fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepProbes)
	}
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

// Shutdown stops accepting, after what the listeners' queues hold, and waits until the last session has ended or ctx has. Those left are
// reset, and a *CutError tells their number. Serve returns after it.
func (s *Server) Shutdown(ctx context.Context) error {
	s.prepare()
	s.stopAccepting()
	cut := error(nil)
	select {
	case <-s.empty:
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
	s.deaf = true // before the loops hear of it: none may start or wake up with listeners that are about to be closed
	s.mu.Unlock()
	s.onLoops(func(l *loop) { l.deafen(true) })
	s.closeListeners()
	s.draining.Store(true)
	s.reportEmpty()
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
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return
	}
	var done sync.WaitGroup
	done.Add(len(s.loops))
	for _, l := range s.loops {
		if !l.post(func() { f(l); done.Done() }) {
			done.Done()
		}
	}
	s.mu.Unlock()
	done.Wait()
}

// cut ends every session of the loop.
func (l *loop) cut(why Cause) {
	for i := 0; i < len(l.slots); i++ {
		if s := l.slots[i].session; s != nil {
			s.finish(why)
		}
	}
}

// reserve counts a session that is about to be accepted, or reports that there is no room. Then release tells the loops when there is.
func (s *Server) reserve() bool {
	for {
		if s.sessions.Add(1) <= int64(s.MaxConns) {
			return true
		}
		s.full.Store(true)
		if s.sessions.Add(-1) >= int64(s.MaxConns) {
			return false
		}
	}
}

// release gives back what reserve counted.
func (s *Server) release() {
	n := s.sessions.Add(-1)
	if n < int64(s.MaxConns) && s.full.Load() && s.full.CompareAndSwap(true, false) {
		s.resumeAccepting()
	}
	if n == 0 && s.draining.Load() {
		s.reportEmpty()
	}
}

func (s *Server) resumeAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.loops {
		l.post(l.accept.resume)
	}
}

// reportEmpty ends the wait of a drain that has nothing left to wait for.
func (s *Server) reportEmpty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions.Load() != 0 {
		return
	}
	select {
	case <-s.empty:
	default:
		close(s.empty)
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

func (s *Server) random() float64 { return mathrand.Float64() }

// trusts reports whether a PROXY header is required from peer. A UNIX socket's peer has no address, so none is.
func (s *Server) trusts(peer netip.AddrPort) bool {
	for _, p := range s.ProxyIn {
		if p.Contains(peer.Addr()) {
			return true
		}
	}
	return false
}

// connectBudget is how long all tries of one client may take.
func (s *Server) connectBudget() int64 {
	if s.ConnectBudget > 0 {
		return int64(s.ConnectBudget)
	}
	return int64(s.ConnectTimeout) * int64(s.Tries)
}

// Hedged connects may be one in hedgeShare of all, and hedgeBurst more.
const (
	hedgeShare = 20
	hedgeBurst = 5
)

// mayHedge counts an extra connect, if the budget has room for it.
func (s *Server) mayHedge() bool {
	if s.hedges.Add(1) <= s.connects.Load()/hedgeShare+hedgeBurst {
		return true
	}
	s.hedges.Add(^uint64(0))
	return false
}

// source returns the next local address for a connection of that family, false where the kernel shall choose.
func (s *Server) source(family int) (pool.Address, bool) {
	n := uint32(len(s.Sources))
	for range n {
		a := s.Sources[s.sourceAt.Add(1)%n]
		if a.Is4() == (family == unix.AF_INET) {
			return pool.TCPAddress(netip.AddrPortFrom(a, 0)), true
		}
	}
	return pool.Address{}, false
}

// uniqueID returns an ID that no other session has, on this machine or another: eight random bytes of the process and a count.
func (s *Server) uniqueID() []byte {
	return binary.BigEndian.AppendUint64(s.idPrefix[:len(s.idPrefix):len(s.idPrefix)], s.unique.Add(1))
}
