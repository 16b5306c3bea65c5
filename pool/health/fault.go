package health

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
)

// ErrTimeout is in the Err of a Result whose server said too little in the time it was given.
var ErrTimeout = errors.New("no answer in time")

// errClosed and errReset are how a server's end is told to an operator.
var (
	errClosed = errors.New("the server closed the connection")
	errReset  = errors.New("the server reset the connection")
)

// errNoProcess is what becomes of EAGAIN from fork(2).
var errNoProcess = errors.New("this machine may start no more processes")

// OurOwn reports whether err, from a Result, tells nothing of the backend: the probe was cancelled, there was no
// descriptor, port, memory or process to ask with, or the name of a check's own place could not be looked up just now.
func OurOwn(err error) bool {
	if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		return !lookup.IsNotFound
	}
	return slices.ContainsFunc(ownFaults, func(own error) bool { return errors.Is(err, own) })
}

func isLookup(err error) bool {
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}

// ownFaults are what socket(2), connect(2) and fork(2) say when this machine has run out of something. EAGAIN is not
// among them: of connect(2) to a UNIX socket it says that the server's queue is full (unix(7)).
var ownFaults = []error{
	context.Canceled, errNoProcess, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	syscall.EADDRNOTAVAIL,
}

// plain says in an operator's words what an error of the network means. ctx tells why a deadline passed.
func plain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return context.Canceled
	case isLookup(err): // though its time may be up: it tells who was silent, and that was not the backend
		return err
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		return ErrTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errClosed
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errReset
	}
	return err
}
