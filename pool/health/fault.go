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

// ErrTimeout is in the Err of a Result whose server did not answer completely in time.
var ErrTimeout = errors.New("no answer in time")

// errClosed and errReset tell an operator how the server ended the connection.
var (
	errClosed = errors.New("the server closed the connection")
	errReset  = errors.New("the server reset the connection")
)

// errNoProcess replaces EAGAIN from fork(2).
var errNoProcess = errors.New("this machine may start no more processes")

// OurOwn reports whether err, from a Result, says nothing about the backend: the probe was cancelled, this machine
// lacked a descriptor, port, memory or process, or the name of a check's own place could not be looked up.
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

// ownFaults are the errors of socket(2), connect(2) and fork(2) when this machine has run out of something. EAGAIN is
// not one: from connect(2) to a UNIX socket it means that the server's queue is full (unix(7)).
var ownFaults = []error{
	context.Canceled, errNoProcess, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	syscall.EADDRNOTAVAIL,
}

// plain returns an error in an operator's words for one of the network. ctx tells why a deadline passed.
func plain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return context.Canceled
	case isLookup(err): // even if the time is up: it says that the name server was silent, and not the backend
		return err
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return ErrTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errClosed
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errReset
	}
	return err
}
