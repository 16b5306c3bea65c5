package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Keys of the engine's clocks; connections have their index, from 0.
const (
	paceKey  = -1
	stallKey = -2
)

// stallTick is how often the engine looks whether it still gets on.
const stallTick = 250 * time.Millisecond

// errStalled is returned when no exchange has finished for a while.
var errStalled = errors.New("no progress")

// A workload says which exchanges an engine does.
type workload struct {
	Count  int           // exchanges
	Rate   float64       // started per second, whatever the answers do; 0: each as soon as the last is answered
	Fresh  bool          // a new connection for each exchange, closed after it
	Once   bool          // each connection does one exchange at most
	Held   bool          // only on connections that are held
	Window int           // exchanges under way at once; 0: as many as there are connections
	Stall  time.Duration // longest time without a finished exchange
}

// An engine does exchanges with addr on one goroutine. Latency is counted from when an exchange was to start, so that a
// program that keeps the load waiting does not look better for it, and to when its answer arrived by the kernel's word
// (socket(7), SO_TIMESTAMPNS): a load that shares its processors with what it measures gets round to reading it later.
type engine struct {
	addr   unix.SockaddrInet4
	poller *poller
	stamps int // keepStamps
	pace   *clock
	stall  *clock
	conns  []engineConn
	idle   []int // indices into conns, of those that have no exchange under way

	work      workload
	began     time.Time
	started   int
	finished  int
	failed    int
	lastError error
	samples   []time.Duration // until the answer had arrived
	read      []time.Duration // until it had been read
}

// engineConn is one connection, or the place of one: fd is -1 where there is none.
type engineConn struct {
	fd     int
	number uint64    // of the exchange under way
	got    int       // bytes of its answer
	sent   bool      // its request is out
	due    time.Time // when it was to start
	busy   bool
	held   bool // its last exchange was answered and the connection is open
}

// newEngine returns an engine with places for conns connections, none of them open. The caller closes it.
func newEngine(addr netip.AddrPort, conns int) (*engine, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	e := &engine{poller: p, conns: make([]engineConn, conns)}
	e.addr = unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	for i := range e.conns {
		e.conns[i].fd = -1
	}
	var errPace, errStall, errStamps error
	e.stamps, errStamps = keepStamps()
	e.pace, errPace = newClock(p, paceKey)
	e.stall, errStall = newClock(p, stallKey)
	return e, errors.Join(errPace, errStall, errStamps)
}

// run does w and returns what it saw. Failed exchanges are counted, not returned as an error; errStalled comes with the
// result up to then.
func (e *engine) run(w workload) (result, error) {
	e.begin(w)
	if err := e.stall.set(stallTick, stallTick); err != nil {
		return result{}, fmt.Errorf("set a timer: %w", err)
	}
	e.startDue(e.began)
	err := e.loop()
	return e.result(), err
}

func (e *engine) begin(w workload) {
	if w.Window == 0 {
		w.Window = len(e.conns)
	}
	e.work, e.began = w, time.Now()
	e.started, e.finished, e.failed, e.lastError = 0, 0, 0, nil
	e.samples, e.read = make([]time.Duration, 0, w.Count), make([]time.Duration, 0, w.Count)
	e.idle = e.idle[:0]
	for i := len(e.conns) - 1; i >= 0; i-- {
		if !w.Held || e.conns[i].held {
			e.idle = append(e.idle, i)
		}
	}
}

func (e *engine) loop() error {
	progress, since := 0, e.began
	for e.finished < e.work.Count {
		events, err := e.poller.wait()
		if err != nil {
			return fmt.Errorf("wait for events: %w", err)
		}
		now := time.Now()
		for i := range events {
			e.handle(int(events[i].Fd))
		}
		e.startDue(now)
		if e.finished > progress {
			progress, since = e.finished, now
		}
		if now.Sub(since) > e.work.Stall {
			return fmt.Errorf("%w for %v after %d of %d exchanges", errStalled, e.work.Stall, e.finished, e.work.Count)
		}
	}
	return nil
}

// startDue starts every exchange that is due and has a free connection, and sets the clock for the next.
func (e *engine) startDue(now time.Time) {
	for len(e.idle) > 0 && e.started < e.work.Count && e.started-e.finished < e.work.Window {
		due := now
		if e.work.Rate > 0 {
			due = e.began.Add(time.Duration(float64(e.started) / e.work.Rate * 1e9))
			if wait := due.Sub(now); wait > 0 {
				e.pace.set(wait, 0)
				return
			}
		}
		i := e.idle[len(e.idle)-1]
		e.idle = e.idle[:len(e.idle)-1]
		e.start(i, due)
	}
}

func (e *engine) start(i int, due time.Time) {
	c := &e.conns[i]
	c.number, c.got, c.sent, c.due, c.busy = uint64(e.started), 0, false, due, true
	e.started++
	if c.fd < 0 {
		if err := e.connect(i); err != nil {
			e.fail(i, err)
			return
		}
	}
	e.send(i)
}

func (e *engine) connect(i int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make a socket: %w", err)
	}
	err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}
	if err == nil {
		err = e.poller.add(fd, i)
	}
	if err == nil {
		err = unix.Connect(fd, &e.addr)
	}
	if err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return fmt.Errorf("connect: %w", err)
	}
	e.conns[i].fd = fd
	return nil
}

// send writes the request. On a connection that is not there yet it does nothing: the poller tells when it is.
func (e *engine) send(i int) {
	c := &e.conns[i]
	var request [requestSize]byte
	putRequest(request[:], exchangeKind, c.number)
	n, err := unix.Write(c.fd, request[:])
	switch {
	case n == requestSize:
		c.sent = true
	case err == unix.EAGAIN, err == unix.ENOTCONN:
	default:
		e.fail(i, fmt.Errorf("send the request: wrote %d bytes: %v", n, err))
	}
}

func (e *engine) handle(key int) {
	switch key {
	case paceKey:
		return // the loop starts what is due
	case stallKey:
		e.stall.acknowledge() // the loop looks at the time
		return
	}
	c := &e.conns[key]
	if c.fd < 0 {
		return
	}
	if !c.busy {
		e.dropIfEnded(key)
		return
	}
	if !c.sent {
		e.send(key)
	}
	if c.sent {
		e.receive(key)
	}
}

// receive reads the answer as far as it has come. One event may stand for bytes and the end after them, so it reads
// until the exchange is over or nothing is left.
func (e *engine) receive(i int) {
	for e.receiveSome(i) {
	}
}

// receiveSome reads once and reports whether to go on.
func (e *engine) receiveSome(i int) bool {
	c := &e.conns[i]
	var answer [answerSize + 1]byte
	n, lay, err := receiveStamped(c.fd, answer[:])
	switch {
	case err == unix.EAGAIN:
		return false
	case err != nil:
		e.fail(i, fmt.Errorf("read the answer: %w", err))
		return false
	case n == 0:
		e.fail(i, fmt.Errorf("read the answer: the connection ended after %d of %d bytes", c.got, answerSize))
		return false
	case c.got == 0 && n >= 16 && !answers(answer[:], c.number), c.got+n > answerSize:
		e.fail(i, fmt.Errorf("read the answer: got %d bytes that do not answer request %d", c.got+n, c.number))
		return false
	}
	if c.got += n; c.got < answerSize {
		return true
	}
	e.finish(i, lay)
	return false
}

// finish counts an answered exchange, whose answer lay there for a while before it was read, and starts the next at
// once, as a client with more to ask would.
func (e *engine) finish(i int, lay time.Duration) {
	c := &e.conns[i]
	now := time.Now()
	took := now.Sub(c.due)
	e.samples, e.read = append(e.samples, max(0, took-lay)), append(e.read, took)
	e.finished++
	c.busy, c.held = false, true
	if e.work.Fresh {
		e.drop(i)
	}
	if !e.work.Once {
		e.idle = append(e.idle, i)
	}
	e.startDue(now)
}

func (e *engine) fail(i int, err error) {
	e.failed++
	e.finished++
	e.lastError = err
	e.conns[i].busy = false
	e.drop(i)
	if !e.work.Once {
		e.idle = append(e.idle, i)
	}
}

func (e *engine) drop(i int) {
	c := &e.conns[i]
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
	c.fd, c.held = -1, false
}

// dropIfEnded closes a connection that the other side has ended while it was idle. A kept connection that comes to this
// is opened again by the next exchange.
func (e *engine) dropIfEnded(i int) {
	var one [1]byte
	n, _, err := unix.Recvfrom(e.conns[i].fd, one[:], unix.MSG_PEEK)
	if n == 0 && err == nil || err != nil && err != unix.EAGAIN {
		e.drop(i)
	}
}

// dropBusy closes the connections that still wait for an answer.
func (e *engine) dropBusy() {
	for i := range e.conns {
		if e.conns[i].busy {
			e.conns[i].busy = false
			e.drop(i)
		}
	}
}

// held returns how many connections are open and have had their last exchange answered.
func (e *engine) held() int {
	n := 0
	for i := range e.conns {
		if e.conns[i].held {
			n++
		}
	}
	return n
}

func (e *engine) result() result {
	r := result{
		Done:   e.finished - e.failed,
		Failed: e.failed,
		Held:   e.held(),
		Took:   time.Since(e.began),
		P50:    quantile(e.samples, 0.50),
		P99:    quantile(e.samples, 0.99),
		Read99: quantile(e.read, 0.99),
	}
	if e.lastError != nil {
		r.LastError = e.lastError.Error()
	}
	return r
}

func (e *engine) close() {
	for i := range e.conns {
		e.drop(i)
	}
	e.pace.close()
	e.stall.close()
	unix.Close(e.stamps)
	e.poller.close()
}
