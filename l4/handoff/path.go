package handoff

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"forebay/l4"
)

// A file of a UNIX socket outlives its process, and bind(2) refuses to reuse it. Whether it is stale is asked of the
// kernel: a connection to it is refused, and no socket of this network name space is bound to it. Replacing one happens
// under a lock on its directory, so that of two processes that start at once, the second finds the first.

// errNotSocket is what lies at a path that should become a socket.
var errNotSocket = errors.New("a file that is not a socket is there; remove it or choose another path")

// listenPath returns a listening descriptor for the UNIX socket at the path of s.
func listenPath(s Spec, backlog int) (int, error) {
	path := s.path
	fd, err := bindPath(path)
	if err == nil {
		return s.startListening(fd, backlog)
	}
	if !errors.Is(err, unix.EADDRINUSE) || isAbstract(path) {
		return -1, err
	}
	unlock, err := lockDirectory(path)
	if err != nil {
		return -1, err
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return -1, err
	}
	if fd, err = bindPath(path); err != nil {
		return -1, err
	}
	return s.startListening(fd, backlog)
}

// startListening lets those connect to the bound fd that may. Where it fails it closes fd and takes the file away,
// which is nobody's else.
func (s Spec) startListening(fd, backlog int) (int, error) {
	if err := s.file.apply(s.path); err != nil {
		unix.Close(fd)
		os.Remove(s.path)
		return -1, err
	}
	return startListening(fd, backlog)
}

func bindPath(path string) (int, error) {
	return bind(unix.AF_UNIX, &unix.SockaddrUnix{Name: path})
}

func isAbstract(path string) bool { return strings.HasPrefix(path, "@") }

// samePath reports whether two paths are of one socket, however they are spelled. Its file needn't be there yet.
func samePath(a, b string) bool {
	if a == b {
		return true
	}
	if a == "" || b == "" || isAbstract(a) || isAbstract(b) {
		return false
	}
	dirA, nameA := filepath.Split(a)
	dirB, nameB := filepath.Split(b)
	return sameFile(a, b) || nameA == nameB && sameFile(dirA+".", dirB+".")
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// lockDirectory takes the lock of path's directory, without waiting: who holds it is replacing a socket there.
func lockDirectory(path string) (unlock func(), err error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		dir.Close()
		return nil, fmt.Errorf("another process has locked %s: %w", filepath.Dir(path), err)
	}
	return func() { dir.Close() }, nil // the lock goes with its descriptor
}

// removeStale removes path if it is a socket that nobody has. The error is EADDRINUSE if somebody has it.
func removeStale(path string) error {
	if err := staleOrGone(path); err != nil {
		return err
	}
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// staleOrGone returns nil if nothing is at path or a socket that nobody has.
func staleOrGone(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return errNotSocket
	case answers(path) || unixSocket(path).inode != 0:
		return unix.EADDRINUSE
	}
	return nil
}

// answers reports whether a process listens at path. Only a refused connection is a no: with a full backlog or without
// the right to connect, somebody is there.
func answers(path string) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	return !errors.Is(unix.Connect(fd, &unix.SockaddrUnix{Name: path}), unix.ECONNREFUSED)
}

// probePath reports what listenPath would find in its way, without making the socket.
func probePath(s Spec) error {
	path := s.path
	if _, _, err := s.file.ids(); err != nil {
		return err
	}
	if isAbstract(path) {
		fd, err := bindPath(path)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	}
	if err := staleOrGone(path); err != nil {
		return err
	}
	if err := unix.Access(filepath.Dir(path), unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("%s: %w", filepath.Dir(path), err)
	}
	return nil
}

// Remove takes away the files of UNIX sockets among listeners, which must be closed by then. A file that another
// process has taken over meanwhile stays.
func Remove(listeners ...*l4.Listener) error {
	var faults []error
	for _, l := range listeners {
		path := l.Address.Path()
		if path == "" || isAbstract(path) {
			continue
		}
		if err := removeStale(path); err != nil && !errors.Is(err, unix.EADDRINUSE) {
			faults = append(faults, fmt.Errorf("remove %s: %w", path, err))
		}
	}
	return errors.Join(faults...)
}
