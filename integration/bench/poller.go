package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A poller waits for many sockets on one goroutine (epoll(7), edge-triggered). The goroutine sleeps in Go's own poller,
// which can wait for an epoll descriptor as for any other: a blocking epoll_wait would hold a thread that the runtime
// keeps taking the processor from.
type poller struct {
	file   *os.File
	raw    syscall.RawConn
	events [512]unix.EpollEvent
	n      int   // events that the last poll found
	err    error // of the last poll
	closed atomic.Bool
	poll   func(uintptr) bool // made once, so that waiting allocates nothing
}

// newPoller returns a poller that waits for nothing yet. The caller closes it.
func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll instance: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make the epoll instance non-blocking: %w", err)
	}
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("wait on the epoll instance: %w", err)
	}
	p := &poller{file: file, raw: raw}
	p.poll = func(epoll uintptr) bool {
		p.n, p.err = unix.EpollWait(int(epoll), p.events[:], 0)
		return p.n > 0 || p.err != nil && p.err != unix.EINTR
	}
	return p, nil
}

// add waits for fd from now on, until fd is closed. Its events carry key.
func (p *poller) add(fd, key int) error {
	event := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(key),
	}
	return p.control(unix.EPOLL_CTL_ADD, fd, &event)
}

// remove waits for fd no longer.
func (p *poller) remove(fd int) error { return p.control(unix.EPOLL_CTL_DEL, fd, nil) }

func (p *poller) control(operation, fd int, event *unix.EpollEvent) (err error) {
	failed := p.raw.Control(func(epoll uintptr) { err = unix.EpollCtl(int(epoll), operation, fd, event) })
	if failed != nil {
		return failed
	}
	return err
}

// wait returns the events that have come, at least one, or os.ErrClosed. They are valid until the next call.
func (p *poller) wait() ([]unix.EpollEvent, error) {
	err := p.raw.Read(p.poll)
	if p.closed.Load() {
		return nil, os.ErrClosed
	}
	if err != nil {
		return nil, err
	}
	return p.events[:max(p.n, 0)], p.err
}

// close makes wait return. It may be called from another goroutine, and again.
func (p *poller) close() {
	p.closed.Store(true)
	p.file.Close()
}

// A clock is a timerfd_create(2) that a poller waits for: Go's timers are only good to a millisecond.
type clock struct{ fd int }

// newClock adds a stopped clock to p under key. The caller closes it.
func newClock(p *poller, key int) (*clock, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	c := &clock{fd: fd}
	if err := p.add(fd, key); err != nil {
		c.close()
		return nil, fmt.Errorf("wait for a timer: %w", err)
	}
	return c, nil
}

// set makes the clock strike after d, and then every interval if that is not 0.
func (c *clock) set(d, interval time.Duration) error {
	return unix.TimerfdSettime(c.fd, 0, &unix.ItimerSpec{
		Value:    unix.NsecToTimespec(int64(max(d, 1))),
		Interval: unix.NsecToTimespec(int64(interval)),
	}, nil)
}

// acknowledge lets a clock with an interval strike again: the kernel sets it for the next time only when it is read.
func (c *clock) acknowledge() {
	var strikes [8]byte
	unix.Read(c.fd, strikes[:])
}

func (c *clock) close() { unix.Close(c.fd) }
