package accesslog

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
)

// A File is a log file that can be rotated: after it was renamed, Reopen goes on in a new one of the old name. Write and Reopen may
// be called at once.
type File struct {
	path    string
	current atomic.Pointer[os.File]
}

// OpenFile opens the file at path for appending, and makes it if needed, with mode 0640.
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
	if errors.Is(err, syscall.ENXIO) {
		return nil, fmt.Errorf("open %s: nobody reads this pipe: start its reader first", f.path)
	}
	return opened, err
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
