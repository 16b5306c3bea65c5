package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"golang.org/x/sys/unix"
)

const (
	backendListeners = 4
	backendBacklog   = 4096
	bulkWrite        = 256 << 10
)

// backendMain is the process behind every proxy: four listeners on ports that are free, which it writes to stdout as
// a JSON list of addresses. It ends when stdin does.
func backendMain(stdin io.Reader, stdout io.Writer) error {
	b, err := newBackend()
	if err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(b.addrs); err != nil {
		return fmt.Errorf("tell the addresses: %w", err)
	}
	go func() {
		io.Copy(io.Discard, stdin)
		b.stop()
	}()
	return b.run()
}

// A backend answers requests on one loop. A connection that asks for bulk leaves it for another process.
type backend struct {
	poller    *poller
	listeners []int
	addrs     []string
	conns     map[int]*backendConn
	streams   *streamer
	answer    [answerSize]byte
}

// backendConn is one connection on the loop: how much of its next request has come.
type backendConn struct {
	request [requestSize]byte
	got     int
}

func newBackend() (*backend, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	b := &backend{poller: p, conns: make(map[int]*backendConn)}
	if b.streams, err = startStreamer(); err != nil {
		return nil, err
	}
	for range backendListeners {
		if err := b.listen(); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	return b, nil
}

// listen adds one listener. What is set on it, its connections inherit.
func (b *backend) listen() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	port, err := bindServer(fd)
	if err != nil {
		return err
	}
	if err := unix.Listen(fd, backendBacklog); err != nil {
		return err
	}
	b.listeners = append(b.listeners, fd)
	b.addrs = append(b.addrs, fmt.Sprintf("127.0.0.1:%d", port))
	return b.poller.add(fd, fd)
}

// Where servers stand: below the ports that the kernel gives to connections (ip(7), ip_local_port_range). At one of
// those a program may look twice.
const (
	firstServerPort = 20000
	lastServerPort  = 32000
)

// bindServer binds fd to a free port of 127.0.0.1 and returns it.
func bindServer(fd int) (port int, err error) {
	const tries = 100
	for range tries {
		port = firstServerPort + rand.IntN(lastServerPort-firstServerPort)
		if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}); err != unix.EADDRINUSE {
			return port, err
		}
	}
	return 0, err
}

// run serves until stop is called, which is no error, and closes everything.
func (b *backend) run() error {
	defer b.close()
	for {
		events, err := b.poller.wait()
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for events: %w", err)
		}
		for i := range events {
			b.handle(int(events[i].Fd))
		}
	}
}

// stop makes run return. It may be called from another goroutine.
func (b *backend) stop() { b.poller.close() }

func (b *backend) close() {
	b.poller.close()
	for fd := range b.conns {
		unix.Close(fd)
	}
	for _, fd := range b.listeners {
		unix.Close(fd)
	}
	b.streams.stop()
}

func (b *backend) handle(fd int) {
	if c := b.conns[fd]; c != nil {
		b.serve(fd, c)
		return
	}
	for b.accept(fd) {
	}
}

// accept takes one connection from listener and reports whether there may be more.
func (b *backend) accept(listener int) bool {
	fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return err == unix.ECONNABORTED || err == unix.EINTR
	}
	c := &backendConn{}
	if err := b.poller.add(fd, fd); err != nil {
		unix.Close(fd)
		return true
	}
	b.conns[fd] = c
	b.serve(fd, c)
	return true
}

// serve answers what has come on fd, until it is drained or at its end.
func (b *backend) serve(fd int, c *backendConn) {
	for {
		n, err := unix.Read(fd, c.request[c.got:])
		if err == unix.EAGAIN {
			return
		}
		if n <= 0 {
			b.drop(fd)
			return
		}
		if c.got += n; c.got < requestSize {
			continue
		}
		c.got = 0
		k, number := parseRequest(c.request[:])
		if k == bulkKind {
			b.handOver(fd, c.request)
			return
		}
		putAnswer(b.answer[:], number)
		// The load asks again only after the whole answer, so 512 bytes always fit.
		if n, err := unix.Write(fd, b.answer[:]); err != nil || n < answerSize {
			b.drop(fd)
			return
		}
	}
}

func (b *backend) drop(fd int) {
	delete(b.conns, fd)
	unix.Close(fd)
}

// handOver gives fd, whose first request is for bulk, to the process for streams. As that has it open, closing it here
// would not take it out of the poller. If it can't be given its end tells the load.
func (b *backend) handOver(fd int, request [requestSize]byte) {
	b.poller.remove(fd)
	b.streams.take(fd, request)
	b.drop(fd)
}
