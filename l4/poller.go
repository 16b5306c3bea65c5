package l4

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A poller is a loop's epoll instances and the two ways to sleep on them.
//
// While events come close together the loop sleeps inside a raw epoll_wait and keeps its processor. That costs two
// system calls a wake-up, and the scheduler and its monitor thread do not notice. The sleep is short, so that other
// goroutines do not lack the processor for long; a stop of the world interrupts it with a signal.
//
// It does not sleep on the instance that holds the sessions' sockets but on one that holds that. A socket with
// something to read wakes who sleeps on its own instance as if the waker were about to sleep itself (a synchronous
// wake-up, since Linux 6.13, ep_poll_callback of fs/eventpoll.c), and where no processor is idle the sleeper has to
// wait for its waker: at half load half of all messages took twice as long. From an instance within another the wake-up
// is an ordinary one. The listening sockets stand in the outer one, as only sleepers on their own instance are woken
// one at a time.
//
// Once nothing has come for rawSleep the loop parks on the runtime's own poller instead, as any goroutine does that
// waits for a socket: then no thread is held and an idle process sleeps entirely. What the loop sleeps on is not what
// the runtime watches, since it would then wake a thread for every event of a busy loop too; between the two stands a
// gate, an epoll instance whose one member is watched only while the loop is parked.
type poller struct {
	sessions int32 // the epoll instance that holds the sessions' sockets
	all      int32 // holds sessions, the listening sockets, and the poller's own two
	gate     int32 // holds all
	file     *os.File
	raw      syscall.RawConn
	look1    func(uintptr) bool // lookOnce, bound once: a method value made for each sleep would be an allocation
	timer    int32              // timerfd(2): when the wheel wants to run
	wake     int32              // eventfd(2): a function was posted
	timerAt  int64              // ns on the loop's clock for which timer is set; never while it is not
	holds    bool               // it may sleep with its processor in hand
	busy     bool               // it does: the last sleep was short
	more     bool               // sessions may have events that all does not tell of again
	ready    int                // what the last look found
	events   [256]unix.EpollEvent
}

// rawSleep is how long a loop sleeps with its processor in hand before it parks: two more system calls, the scheduler
// and often another thread, measured as 4 % of what a connection costs. It is as long as the runtime lets any goroutine
// run on. One processor is always left for the rest of the process: the loops beyond that park at once.
const rawSleep = 10 * time.Millisecond

// The poller's own descriptors have these numbers where the event of a session has the number of its slot.
const (
	slotWake     = -1
	slotTimer    = -2
	slotSessions = -3
	// the listeners have -4 and below
	slotListener = -4
)

func newPoller(holds bool) (*poller, error) {
	p := &poller{sessions: -1, all: -1, gate: -1, timer: -1, wake: -1, timerAt: never, holds: holds}
	if err := p.open(); err != nil {
		p.close()
		return nil, fmt.Errorf("make an event loop: %w", err)
	}
	return p, nil
}

func (p *poller) open() error {
	for _, ep := range []*int32{&p.sessions, &p.all, &p.gate} {
		fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return os.NewSyscallError("epoll_create1", err)
		}
		*ep = int32(fd)
	}
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	p.wake = int32(wake)
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	p.timer = int32(timer)
	if err := unix.TimerfdSettime(timer, 0, &unix.ItimerSpec{}, nil); err != nil {
		return os.NewSyscallError("timerfd_settime", err) // from now on nobody would notice
	}
	return p.connect()
}

// connect registers the poller's own descriptors and gives the gate to the runtime.
func (p *poller) connect() error {
	for _, m := range [...]struct {
		in, fd int32
		event  unix.EpollEvent
	}{
		{p.all, p.wake, unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: slotWake}},
		{p.all, p.timer, unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: slotTimer}},
		{p.all, p.sessions, unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: slotSessions}},
		{p.gate, p.all, unix.EpollEvent{}},
	} {
		if e := epollAdd(m.in, m.fd, &m.event); e != 0 {
			return os.NewSyscallError("epoll_ctl", e)
		}
	}
	if err := unix.SetNonblock(int(p.gate), true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	p.file = os.NewFile(uintptr(p.gate), "event loop")
	raw, err := p.file.SyscallConn()
	p.raw, p.look1 = raw, p.lookOnce
	return err
}

// close closes the poller's descriptors. No wait may be under way.
func (p *poller) close() {
	if p.file != nil {
		p.file.Close()
		p.gate = -1
	}
	for _, fd := range []int32{p.sessions, p.all, p.gate, p.timer, p.wake} {
		if fd >= 0 {
			closeFD(fd)
		}
	}
}

// look returns what has happened, without sleeping.
func (p *poller) look() []unix.EpollEvent {
	n, _ := epollWait(p.all, p.events[:], 0)
	return p.take(n)
}

// take returns the n events of the outer instance. Where one of them says that sessions have events, these stand in its
// place.
func (p *poller) take(n int) []unix.EpollEvent {
	n = max(n, 0)
	for i := range n {
		if p.events[i].Fd == slotSessions {
			n--
			p.events[i], p.more = p.events[n], true
			break
		}
	}
	if p.more && n < len(p.events) {
		m, _ := epollWait(p.sessions, p.events[n:], 0)
		n += max(m, 0)
		p.more = n == len(p.events)
	}
	return p.events[:n]
}

// wait sleeps until something has happened and returns it. An interrupted sleep may return nothing. hold says whether
// the loop may keep its processor.
func (p *poller) wait(hold bool) ([]unix.EpollEvent, error) {
	switch {
	case p.more:
		return p.look(), nil
	case p.busy && hold:
		n, e := epollWait(p.all, p.events[:], int(rawSleep/time.Millisecond))
		if n > 0 {
			return p.take(n), nil
		}
		// A signal: the runtime wants this processor for a moment, and gets it at the caller's next call.
		if e == unix.EINTR {
			return nil, nil
		}
		p.busy = false
		return nil, nil // so that the loop can give up what a busy one keeps
	}
	return p.park()
}

// park waits on the runtime's poller. It looks again once the gate is open, so nothing that happened before is missed.
func (p *poller) park() ([]unix.EpollEvent, error) {
	if e := epollModify(p.gate, p.all, &unix.EpollEvent{Events: unix.EPOLLIN}); e != 0 {
		return nil, os.NewSyscallError("epoll_ctl", e)
	}
	began := time.Now()
	p.ready, p.more = 0, true // the first look is at the sessions themselves, whatever all has been told
	if err := p.raw.Read(p.look1); err != nil {
		return nil, fmt.Errorf("wait for events: %w", err)
	}
	if p.busy = p.holds && time.Since(began) < rawSleep; p.busy {
		go leaveWatch()
	}
	if e := epollModify(p.gate, p.all, &unix.EpollEvent{}); e != 0 {
		return nil, os.NewSyscallError("epoll_ctl", e)
	}
	return p.events[:p.ready], nil
}

// leaveWatch does nothing, on another thread. The thread that a loop parked on also watched the runtime's poller for
// everybody else. When the loop takes that thread into a raw sleep, only the runtime's monitor watches, every 10 ms.
// The thread that is woken for this goroutine finds nothing else to do and takes over the watch.
func leaveWatch() {}

func (p *poller) lookOnce(uintptr) bool {
	p.ready = len(p.look())
	return p.ready > 0
}

// post makes the present or the next wait return.
func (p *poller) post() {
	one := uint64(1)
	syscall.RawSyscall(unix.SYS_WRITE, uintptr(p.wake), uintptr(unsafe.Pointer(&one)), 8)
}

// setTimer makes a wait return at due on a clock that shows now, unless the timer is set to an earlier time already.
func (p *poller) setTimer(now, due int64) {
	if due >= p.timerAt {
		return
	}
	p.timerAt = due
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(due-now, 1))}
	syscall.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(p.timer), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
}

// timerFired takes note that the timer has run down.
func (p *poller) timerFired() { p.timerAt = never }
