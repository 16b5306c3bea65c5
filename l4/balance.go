package l4

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A second loop that is not needed costs every message a wake-up of another thread. So work stays on the first loop
// until that is nearly all a processor can do. Then half of its lively sessions move to the loop that does least. A new
// loop is started where there may be more. A loop that the others could replace gives its sessions back and rests.
//
// A second loop is useful where a processor would be idle without it. On a busy machine it takes processor time from
// others, often from the servers that the sessions go to, and each message costs more. So no session is moved there.
//
// Each loop judges for itself, at the end of a window in which it had something to do: an idle process is not woken for
// this.
const (
	loadWindow  = int64(100 * time.Millisecond)
	busyShare   = 850 // ‰ of a processor from which a loop gives sessions away
	spareShare  = 500 // ‰ below which a loop may be given some
	restShare   = 400 // ‰ of two loops together below which the later one rests
	busyWindows = 2   // how many windows in a row must say so
	restWindows = 20
	retry       = 10  // windows until a busy loop that found no processor idle looks again
	idleShare   = 250 // ‰ of one processor that must have been idle
)

// A load is how busy a loop is.
type load struct {
	began  int64       // of the window, on the server's clock
	cpu    int64       // of the thread at that time, ns
	thread int32       // which the loop ran on then
	over   int         // windows in a row above busyShare; negative: how many until the next look
	idle   idleTime    // the machine's, when the first of those windows ended
	under  int         // windows in a row in which it could rest
	rests  atomic.Bool // it accepts nothing and has given its sessions back

	share atomic.Int64 // ‰ of a processor in the last window
	at    atomic.Int64 // when that was found
}

// now returns the share at that time. A loop that has not turned for some windows does nothing.
func (d *load) now(at int64) int64 {
	if at-d.at.Load() > 3*loadWindow {
		return 0
	}
	return d.share.Load()
}

// measure ends a window. It reports false where the loop has changed threads, and nothing is known.
func (d *load) measure(now int64) bool {
	thread, cpu := threadTime()
	known := thread == d.thread && now > d.began
	if known {
		d.share.Store(1000 * (cpu - d.cpu) / (now - d.began))
		d.at.Store(now)
	}
	d.began, d.cpu, d.thread = now, cpu, thread
	return known
}

// threadTime returns the present thread and the processor time it has used (clock_gettime(2), CLOCK_THREAD_CPUTIME_ID).
func threadTime() (thread int32, ns int64) {
	var ts unix.Timespec
	syscall.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_THREAD_CPUTIME_ID, uintptr(unsafe.Pointer(&ts)), 0)
	id, _, _ := syscall.RawSyscall(unix.SYS_GETTID, 0, 0, 0)
	return int32(id), ts.Nano()
}

// balance looks at the loop's load at the end of each window.
func (l *loop) balance() {
	if l.server.mostLoops < 2 || l.now-l.load.began < loadWindow {
		return
	}
	began := l.load.began
	if !l.load.measure(l.now) {
		return
	}
	switch share := l.load.share.Load(); {
	case share >= busyShare:
		l.overloaded(began)
	case l.mayRest(share):
		l.load.over, l.load.under = 0, l.load.under+1
		if l.load.under >= restWindows {
			l.takeRest()
		}
	default:
		l.load.over, l.load.under = 0, 0
	}
}

// overloaded counts one more window above busyShare, which began at that time.
func (l *loop) overloaded(began int64) {
	d := &l.load
	d.over, d.under = d.over+1, 0
	switch {
	case d.over == 1:
		d.idle = l.server.idleTime(l.now)
	case d.over < busyWindows:
	case l.server.idleTime(l.now).since(d.idle) < idleShare:
		d.over = -retry
	default:
		d.over = 0
		l.spill(began)
	}
}

// spill gives half of the sessions that moved bytes since then to the loop that does least.
func (l *loop) spill(since int64) {
	to := l.server.idlest(l)
	if to == nil {
		return
	}
	lively := 0
	for _, at := range l.slots {
		s := at.session
		if s == nil || s.moved < since || !s.movable() {
			continue
		}
		if lively++; lively%2 == 0 {
			l.hand(s, to)
		}
	}
}

// idlest returns the loop that l gives sessions to: one that has started and does little, or a new one; nil where all
// are busy.
func (s *Server) idlest(l *loop) *loop {
	s.mu.Lock()
	var best *loop
	for _, other := range s.loops {
		if other != l && other.load.now(l.now) < spareShare &&
			(best == nil || other.load.now(l.now) < best.load.now(l.now)) {
			best = other
		}
	}
	started := len(s.loops)
	s.mu.Unlock()
	if best != nil {
		best.post(best.wakeUp)
		return best
	}
	if started >= s.mostLoops {
		return nil
	}
	best, err := s.startLoop()
	if err != nil {
		return nil
	}
	return best
}

// movable reports whether s is in a state that another loop can take over: nothing else points to it or is lent to it.
func (s *session) movable() bool {
	return s.stage == relaying && !s.listed && s.up.pipe == nil && s.down.pipe == nil
}

// hand gives s to another loop. Until that loop adopts it, s belongs to the posted function.
func (l *loop) hand(s *session, to *loop) {
	s.unwatch()
	l.remove(s)
	l.stats.moves.Add(1)
	l.server.handed.Add(1)
	if !to.post(func() { to.adopt(s) }) { // it has ended meanwhile
		l.adopt(s)
	}
}

// adopt takes over a session of another loop. Registering its sockets reports what has happened to them meanwhile.
func (l *loop) adopt(s *session) {
	l.add(s)
	l.server.adopted.Add(1)
	if l.server.cutting.Load() {
		s.finish(Stopped)
		return
	}
	l.step(s)
}

// mayRest reports whether the loop before l could do l's work as well. With a fixed number of loops none rests.
func (l *loop) mayRest(share int64) bool {
	if l.server.Loops != 0 || l.number == 0 || l.load.rests.Load() {
		return false
	}
	return share+l.before().load.now(l.now) < restShare
}

// before returns the nearest earlier loop that does not rest; the first never does.
func (l *loop) before() *loop {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	n := l.number - 1
	for n > 0 && l.server.loops[n].load.rests.Load() {
		n--
	}
	return l.server.loops[n]
}

// takeRest gives every session to the loop before and stops accepting. A session that is not relaying yet stays until
// it has ended.
func (l *loop) takeRest() {
	l.load.under = 0
	l.load.rests.Store(true)
	l.deafen(true)
	to := l.before()
	to.post(to.wakeUp)
	to.post(to.accept.resume) // for connections that a rate has left in the queues
	for _, at := range l.slots {
		if s := at.session; s != nil && s.movable() {
			l.hand(s, to)
		}
	}
}

// wakeUp ends a rest.
func (l *loop) wakeUp() {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	if !l.load.rests.Load() || l.server.deaf {
		return
	}
	l.load.rests.Store(false)
	if err := l.listen(l.server.listeners); err != nil {
		l.server.log().Error("an event loop cannot accept", "error", err)
	}
}
