package main

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// acceptPause is how long the reference rests after a failed accept, as net/http does at first.
const acceptPause = 5 * time.Millisecond

// referenceMain is the textbook TCP proxy in Go: a goroutine for each direction, io.Copy in each. It is what a program of this
// kind costs before anything is done about it. It listens on addr, takes the backends in turn, and ends when it is killed.
func referenceMain(addr string, backends []string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	r := &reference{backends: backends}
	for {
		conn, err := l.Accept()
		if err != nil {
			time.Sleep(acceptPause)
			continue
		}
		go r.relay(conn.(*net.TCPConn))
	}
}

type reference struct {
	backends []string
	next     atomic.Uint64
}

func (r *reference) relay(client *net.TCPConn) {
	defer client.Close()
	backend, err := r.dial()
	if err != nil {
		return
	}
	defer backend.Close()
	var wg sync.WaitGroup
	wg.Go(func() { copyHalf(backend, client) })
	copyHalf(client, backend)
	wg.Wait()
}

func (r *reference) dial() (*net.TCPConn, error) {
	addr := r.backends[r.next.Add(1)%uint64(len(r.backends))]
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return conn.(*net.TCPConn), nil
}

// copyHalf copies one direction and passes its end on.
func copyHalf(to, from *net.TCPConn) {
	io.Copy(to, from)
	to.CloseWrite()
}
