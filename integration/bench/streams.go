package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// Streams come from a process of their own, to which the backend hands connections that ask for them. Goroutines that
// always have bytes to write keep Go from looking at its poller, up to ten milliseconds: small answers out of the same
// process would tell of that, and the more so the faster a proxy takes the streams.

// streamer is that process as the backend sees it.
type streamer struct {
	cmd  *exec.Cmd
	sock int // a SOCK_SEQPACKET whose other end is its standard input; it ends when this is closed
}

func startStreamer() (*streamer, error) {
	cmd, err := self(streamsCommand)
	if err != nil {
		return nil, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a pair of sockets: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "streams")
	defer theirs.Close()
	cmd.Stdin, cmd.Stderr = theirs, os.Stderr
	if err := cmd.Start(); err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("start the process for streams: %w", err)
	}
	return &streamer{cmd: cmd, sock: pair[0]}, nil
}

// take hands over fd, whose first request is for bulk, for the rest of its life.
func (s *streamer) take(fd int, request [requestSize]byte) error {
	return unix.Sendmsg(s.sock, request[:], unix.UnixRights(fd), nil, 0)
}

func (s *streamer) stop() {
	unix.Close(s.sock)
	s.cmd.Wait()
}

// streamsMain is the process that serves streams, until the backend's end of its standard input is closed.
func streamsMain(stdin *os.File) error {
	for {
		var request [requestSize]byte
		var rights [64]byte
		n, size, _, _, err := unix.Recvmsg(int(stdin.Fd()), request[:], rights[:], unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("receive a connection: %w", err)
		case n == 0:
			return nil
		}
		fd, err := receivedFD(rights[:size])
		if err != nil {
			return fmt.Errorf("receive a connection: %w", err)
		}
		go serveBulk(fd, request)
	}
}

func receivedFD(rights []byte) (int, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return -1, err
	}
	for i := range messages {
		if fds, err := unix.ParseUnixRights(&messages[i]); err == nil && len(fds) == 1 {
			return fds[0], nil
		}
	}
	return -1, unix.EBADMSG
}

// serveBulk answers request and those that follow it on fd, and closes fd.
func serveBulk(fd int, request [requestSize]byte) {
	file := os.NewFile(uintptr(fd), "bulk")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return
	}
	defer conn.Close()
	block := bytes.Repeat([]byte("forebay."), bulkWrite/8)
	for {
		k, size := parseRequest(request[:])
		if k != bulkKind || writeBulk(conn, block, int64(size)) != nil {
			return
		}
		if _, err := io.ReadFull(conn, request[:]); err != nil {
			return
		}
	}
}

func writeBulk(w io.Writer, block []byte, size int64) error {
	for size > 0 {
		n, err := w.Write(block[:min(size, int64(len(block)))])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}
