package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// acceptPause is how long the reference rests after a failed accept, as net/http does at first.
const acceptPause = 5 * time.Millisecond

// referenceMain is the textbook TCP proxy in Go: a goroutine for each direction, io.Copy in each. It is what a program
// of this kind costs before anything is done about it. Its arguments are where to listen, the files of a certificate
// and its key, both "" to pass bytes as they are, and the backends, which it takes in turn. It ends when it is killed.
func referenceMain(args []string) error {
	l, err := referenceListener(args[0], args[1], args[2])
	if err != nil {
		return err
	}
	r := &reference{backends: args[3:]}
	for {
		conn, err := l.Accept()
		if err != nil {
			time.Sleep(acceptPause)
			continue
		}
		go r.relay(conn.(halfCloser))
	}
}

func referenceListener(addr, certFile, keyFile string) (net.Listener, error) {
	if certFile == "" {
		return net.Listen("tcp", addr)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return tls.Listen("tcp", addr, &tls.Config{Certificates: []tls.Certificate{pair}})
}

// A halfCloser is a *net.TCPConn or a *tls.Conn.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

type reference struct {
	backends []string
	next     atomic.Uint64
}

func (r *reference) relay(client halfCloser) {
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
func copyHalf(to, from halfCloser) {
	io.Copy(to, from)
	to.CloseWrite()
}
