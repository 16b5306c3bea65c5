package main

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// keepStamps returns a socket for which the kernel stamps what comes, for all: it begins a moment after the first asks
// for it, and stops with the last. The caller closes it.
func keepStamps() (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// receiveStamped reads from a socket that has SO_TIMESTAMPNS, and tells for how long the last of what it read had been
// there, 0 where that is not known.
func receiveStamped(fd int, p []byte) (n int, lay time.Duration, err error) {
	var control struct {
		head  unix.Cmsghdr
		stamp unix.Timespec
	}
	v := unix.Iovec{Base: &p[0], Len: uint64(len(p))}
	m := unix.Msghdr{Iov: &v, Iovlen: 1, Control: (*byte)(unsafe.Pointer(&control)), Controllen: uint64(unsafe.Sizeof(control))}
	r, _, errno := syscall.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), 0)
	if errno != 0 {
		return -1, 0, errno
	}
	if m.Controllen > 0 && control.head.Level == unix.SOL_SOCKET && control.head.Type == unix.SCM_TIMESTAMPNS {
		lay = max(0, time.Duration(time.Now().UnixNano()-control.stamp.Nano()))
	}
	return int(r), lay, nil
}
