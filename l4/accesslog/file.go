package accesslog

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// A File is a log file that can be rotated: after it was renamed, Reopen goes on in a new one of the old name. Write
// and Reopen may be called at once.
type File struct {
	path    string
	current atomic.Pointer[os.File]
}

// OpenFile opens the file at path for appending, and makes it if needed, with mode 0640. Where path names a descriptor
// that the process was started with and that can't be opened by a path, a socket, what it is open for is written to.
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	opened, err := f.open()
	if err != nil {
		return nil, err
	}
	f.current.Store(opened)
	return f, nil
}

// open waits for nobody: a named pipe is refused until it is read (fifo(7)).
func (f *File) open() (*os.File, error) {
	opened, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o640)
	if err == nil {
		return opened, nil
	}
	if own := inherited(f.path); own >= 0 {
		return duplicate(own, f.path)
	}
	if errors.Is(err, syscall.ENXIO) {
		return nil, fmt.Errorf("open %s: %s", f.path, unreadable(f.path))
	}
	return nil, err
}

// unreadable says why open(2) found nobody behind a path (ENXIO).
func unreadable(path string) string {
	if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		return "this is a socket, which can't be opened: name a file or a pipe"
	}
	return "nobody reads this pipe: start its reader first"
}

// Inherits reports whether path, as /dev/stdout, names a descriptor that this process was started with and may write
// to.
func Inherits(path string) bool { return inherited(path) >= 0 }

// mostInherited is below which number the descriptors are that a process was started with.
const mostInherited = 64

// inherited returns the descriptor that path names, -1 if it names none. One that is a socket, as systemd makes
// standard output, can't be opened by such a path; nor can a pipe or a file of another user's, as behind su. But it can
// be written to.
func inherited(path string) int {
	var want syscall.Stat_t
	if syscall.Stat(path, &want) != nil {
		return -1
	}
	for fd := range mostInherited {
		var have syscall.Stat_t
		if syscall.Fstat(fd, &have) != nil || have.Dev != want.Dev || have.Ino != want.Ino {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY {
			return fd
		}
	}
	return -1
}

// duplicate returns a descriptor of its own for what fd is open for, so that it can be closed.
func duplicate(fd int, path string) (*os.File, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "duplicate", Path: path, Err: err}
	}
	return os.NewFile(uintptr(own), path), nil
}

// Reopen opens the path anew and closes what was open before. If that fails, the old file stays in use.
func (f *File) Reopen() error {
	opened, err := f.open()
	if err != nil {
		return err
	}
	return f.current.Swap(opened).Close()
}

// Write appends b. A Reopen in the middle may put part of it into the old file and the rest into the new.
func (f *File) Write(b []byte) (int, error) {
	written := 0
	for {
		file := f.current.Load()
		n, err := file.Write(b[written:])
		written += n
		replaced := errors.Is(err, os.ErrClosed) && f.current.Load() != file
		if !replaced {
			return written, err
		}
	}
}

// Close closes the file.
func (f *File) Close() error { return f.current.Load().Close() }
