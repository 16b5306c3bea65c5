package l4test

import (
	"net"
	"syscall"
	"time"
)

// gone is the stream of a connection that was established and reset before anybody could use it.
type gone struct{}

func (gone) Read([]byte) (int, error)              { return 0, syscall.ECONNRESET }
func (gone) Write([]byte) (int, error)             { return 0, syscall.ECONNRESET }
func (gone) CloseWrite() error                     { return syscall.ECONNRESET }
func (gone) Close() error                          { return nil }
func (gone) LocalAddr() net.Addr                   { return &net.TCPAddr{} }
func (gone) RemoteAddr() net.Addr                  { return &net.TCPAddr{} }
func (gone) SetDeadline(time.Time) error           { return nil }
func (gone) SetReadDeadline(time.Time) error       { return nil }
func (gone) SetWriteDeadline(time.Time) error      { return nil }
func (gone) SyscallConn() (syscall.RawConn, error) { return nil, syscall.ECONNRESET }
