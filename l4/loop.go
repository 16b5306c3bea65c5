package l4

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"forebay/pool"
)

// A loop is one goroutine that owns sessions: an epoll instance they are registered with, a clock, a buffer they share.
// One turn is
//
//  1. sleep until something happens, or only look where work is left over
//  2. take every event in, and step its session
//  3. accept
//  4. send what came of both
//  5. run what other goroutines posted
//  6. give one bulk session its next share
//  7. fire timers
//  8. give sessions away if the loop has been too busy
//
// so that small messages go before bulk, and neither waits for long.
type loop struct {
	server *Server
	number int
	poller *poller
	now    int64 // ns on the server's clock, read once a turn
	buf    []byte

	slots []slot
	held  int64      // bytes that its sessions hold, the sum of what the slots say
	free  []int32    // slots without a session
	count int        // sessions
	age   int32      // of the session that was added last
	rest  []*session // ended ones, to be used again

	wheel    wheel
	pipes    pipes
	sockets  sockets
	bulk     []*session // with more to do right away, first come first served
	spare    []*setup
	meters   []*meter
	accept   acceptor
	record   Record
	info     unix.TCPInfo
	stats    loopStats
	toldHeld int64 // of held, that the server's budget knows of
	nextShed int64 // when to look again for sessions to reset because of it
	load     load
	outbox   outbox

	mu     sync.Mutex
	posted []func()
	closed bool // nothing more can be posted

	running []func() // posted functions being run; kept for its storage
	ended   bool
}

// A slot holds a session. The age is the session's own, so that an event for an earlier session is known as such.
type slot struct {
	session *session
	age     int32
	holds   int32 // bytes of memory, as of the session's last step
}

// loopStats is what a loop counts; others read it at any time.
type loopStats struct {
	accepted, empty, panics, moves atomic.Uint64
	// calls that would have met the wrong socket or session, and were not made
	misdirected             atomic.Uint64
	acceptWaits, flowWaits  atomic.Uint64
	fromClient, fromBackend atomic.Uint64
	toClient, toBackend     atomic.Uint64
	causes                  [causeCount]atomic.Uint64
	sessions                atomic.Int64
}

// headerRoom is what a PROXY header with its optional fields can take in front of a client's first bytes.
const headerRoom = 4 << 10

func newLoop(server *Server, number int) (*loop, error) {
	p, err := newPoller(number < runtime.GOMAXPROCS(0)-1)
	if err != nil {
		return nil, err
	}
	l := &loop{server: server, number: number, poller: p, buf: make([]byte, max(headerRoom+readSize, bulkSize)),
		now: server.clock()}
	l.pipes.most, l.sockets.most = server.pipesPerLoop, server.socketsPerLoop
	l.wheel.tick = l.now / wheelTick
	l.outbox = newOutbox(server.IOUring)
	return l, nil
}

// run turns the loop until it is told to stop and its last session has ended.
func (l *loop) run() error {
	defer l.close()
	for !l.ended {
		events, err := l.poll()
		if err != nil {
			return err
		}
		l.now = l.server.clock()
		l.outbox.open = true
		for i := range events {
			l.dispatch(&events[i])
			l.makeRoom()
		}
		l.acceptSome()
		l.sendOut()
		l.runPosted()
		l.runBulk()
		l.wheel.run(l.now, l.fire)
		l.balance()
		l.economize() // behind all that gives up what sessions hold: the loop may sleep for long now
	}
	return nil
}

// close ends what is left, runs what was still posted, and closes the loop's own descriptors.
func (l *loop) close() {
	l.cut(Stopped)
	for !l.shut() {
		l.runPosted()
	}
	l.pipes.close()
	l.sockets.close()
	l.outbox.close()
	l.poller.close()
}

// poll sleeps unless there is work.
func (l *loop) poll() ([]unix.EpollEvent, error) {
	shaking := l.server.shaking.Load() > 0
	if len(l.bulk) > 0 || l.accept.pending() {
		if shaking {
			runtime.Gosched()
		}
		return l.poller.look(), nil
	}
	if due := l.wheel.next(); due != never {
		l.poller.setTimer(l.server.clock(), due)
	}
	if !l.poller.busy {
		l.sockets.close() // a loop that rests holds nothing
	}
	return l.poller.wait(!shaking) // a handshake can use every processor that is idle
}

// dispatch takes one event in.
func (l *loop) dispatch(ev *unix.EpollEvent) {
	switch {
	case ev.Fd >= 0:
		l.dispatchSession(ev)
	case ev.Fd == slotTimer:
		l.poller.timerFired()
	case ev.Fd <= slotListener:
		l.accept.ready(int(slotListener - ev.Fd))
	}
}

func (l *loop) dispatchSession(ev *unix.EpollEvent) {
	s := l.find(ref{ev.Fd, ev.Pad >> sideBits})
	if s == nil {
		return // it ended earlier in this turn
	}
	e := s.side(ev.Pad & (1<<sideBits - 1))
	if e == nil {
		return // the event is of a try that has been given up
	}
	e.note(ev.Events)
	if s.moved >= l.now { // in this turn, so bytes that the event speaks of may have been read since the kernel gave it
		e.told = false
	}
	switch {
	case s.listed:
	case s.isBulk():
		l.again(s)
	default:
		l.step(s)
	}
}

// isBulk reports whether a step of s would move much. Such a session waits until the small ones are done.
func (s *session) isBulk() bool {
	return s.up.full >= bulkReads || s.down.full >= bulkReads || s.client.heavy() || s.backend.heavy()
}

// step steps s, and keeps a bug in the code of one session from the bytes of the others: the session is reset, the
// stack logged, and the loop goes on. Only the session's own state can be half changed then, and all of it is thrown
// away. A panic anywhere else ends the process. So does one in what sessions share, which is known by its value.
func (l *loop) step(s *session) {
	s.flushQueued()
	defer func() {
		if bug := recover(); bug != nil {
			if shared, ok := bug.(pool.Corruption); ok {
				panic(shared)
			}
			l.stats.panics.Add(1)
			l.server.log().Error("a session was reset because of a bug", "panic", fmt.Sprint(bug),
				"stack", string(debug.Stack()))
			if s.age >= 0 { // not ended yet
				s.finish(InternalBug)
			}
		}
	}()
	s.step()
	if s.age >= 0 {
		l.weigh(s)
	}
}

// again puts s into the list of those that go on in the next turn.
func (l *loop) again(s *session) {
	if !s.listed {
		s.listed = true
		l.bulk = append(l.bulk, s)
	}
}

// runBulk steps the bulk session that has waited longest.
func (l *loop) runBulk() {
	if len(l.bulk) == 0 {
		return
	}
	s := l.bulk[0]
	n := copy(l.bulk, l.bulk[1:])
	l.bulk[n] = nil
	l.bulk = l.bulk[:n]
	s.listed = false
	l.step(s)
}

// fire is called for each timer that has run down.
func (l *loop) fire(t *timer) {
	if t.session == nil {
		l.accept.resume()
		return
	}
	if s := t.session; s.loop != l || l.find(s.ref()) != s {
		l.misdirected("a timer fired for a session that is gone", nil)
		return
	}
	t.session.lookAtPeers()
	l.step(t.session)
}

// post has the loop's goroutine call f. Any goroutine may call post. It reports false where the loop has ended and f
// will not be called.
func (l *loop) post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.posted = append(l.posted, f)
	if len(l.posted) == 1 {
		l.poller.post() // under the mutex: after shut, another file may have the descriptor
	}
	return true
}

// shut lets nothing more be posted. It reports false, and changes nothing, while something posted is still to be run.
func (l *loop) shut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = len(l.posted) == 0
	return l.closed
}

func (l *loop) runPosted() {
	l.mu.Lock()
	l.running, l.posted = l.posted, l.running[:0]
	l.mu.Unlock()
	for i, f := range l.running {
		l.running[i] = nil
		f()
	}
}

// add gives s a slot and a timer of its own.
func (l *loop) add(s *session) {
	if len(l.free) == 0 {
		l.slots = append(l.slots, slot{})
		l.free = append(l.free, int32(len(l.slots)-1))
	}
	n := len(l.free) - 1
	s.loop, s.slot = l, l.free[n]
	l.free = l.free[:n]
	l.age = (l.age + 1) & (1<<(31-sideBits) - 1)
	s.age = l.age
	l.slots[s.slot] = slot{session: s, age: s.age}
	s.timer.session = s
	l.count++
	l.stats.sessions.Store(int64(l.count))
}

// remove takes s out of everything the loop keeps. Its sockets are closed, or will be registered elsewhere.
func (l *loop) remove(s *session) {
	l.wheel.cancel(&s.timer)
	if s.listed {
		s.listed = false
		for i := range l.bulk {
			if l.bulk[i] == s {
				l.bulk = append(l.bulk[:i], l.bulk[i+1:]...)
				break
			}
		}
	}
	l.held -= int64(l.slots[s.slot].holds)
	l.slots[s.slot].session, l.slots[s.slot].holds = nil, 0
	l.free = append(l.free, s.slot)
	s.age = -1
	l.count--
	l.stats.sessions.Store(int64(l.count))
	if l.count == 0 && len(l.slots) > 1024 {
		l.slots, l.free = nil, nil // a burst is over: its memory goes back
	}
}

// The loop keeps some ended sessions and setups, so that in the steady state a connection allocates nothing.
const (
	restSessions = 256
	restSetups   = 64
)

// newSession returns a session with nothing in it.
func (l *loop) newSession() *session {
	n := len(l.rest)
	if n == 0 {
		return &session{}
	}
	s := l.rest[n-1]
	l.rest = l.rest[:n-1]
	*s = session{}
	return s
}

// retire keeps an ended session for newSession. No pointer to it is left: whoever may ask for it later has its ref.
func (l *loop) retire(s *session) {
	*s = session{age: -1}
	if len(l.rest) < restSessions {
		l.rest = append(l.rest, s)
	}
}

// borrow lends a setup.
func (l *loop) borrow() *setup {
	if n := len(l.spare); n > 0 {
		c := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return c
	}
	c := &setup{}
	c.request.Tried = c.tried[:0]
	return c
}

// giveBack takes a setup back.
func (l *loop) giveBack(c *setup) {
	*c = setup{}
	c.request.Tried = c.tried[:0]
	if len(l.spare) < restSetups {
		l.spare = append(l.spare, c)
	}
}

// cut ends every session of the loop.
func (l *loop) cut(why Cause) {
	for i := 0; i < len(l.slots); i++ {
		if s := l.slots[i].session; s != nil {
			s.finish(why)
		}
	}
}

// tally adds s to what the loop has counted.
func (l *loop) tally(s *session, cause Cause) {
	st := &l.stats
	st.causes[cause].Add(1)
	if s.up.read == 0 && s.down.read == 0 {
		st.empty.Add(1)
	}
	st.fromClient.Add(s.up.read)
	st.fromBackend.Add(s.down.read)
	st.toBackend.Add(s.up.written)
	st.toClient.Add(s.down.written)
}
