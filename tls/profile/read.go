package profile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// most is how much of a file is read, in bytes. The longest lists of revoked certificates and of addresses have some tens of MiB.
const most = 64 << 20

// ReadFile reads a file that an operator has named. It refuses one of more than 64 MiB, and what is no regular file: a pipe may never begin
// and a device never end, nor can either be read again. The error is an *fs.PathError.
func ReadFile(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil { // before it is opened, which waits for a pipe's other end
		if err := unfit(info); err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unopened(err)
	}
	defer f.Close()
	text, err := readAll(f)
	if err == errEndless {
		err = &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return text, err
}

// unopened adds to what os.Open says what would be right.
func unopened(err error) error {
	at, ok := errors.AsType[*fs.PathError](err)
	switch {
	case !ok:
	case errors.Is(err, fs.ErrNotExist):
		at.Err = fmt.Errorf("%w; name a file that is there", at.Err)
	case errors.Is(err, fs.ErrPermission):
		at.Err = fmt.Errorf("%w; give this user the right to read it, or name another", at.Err)
	}
	return err
}

// unfit says why a file is not read. A directory is left to the kernel, which says it as well.
func unfit(info fs.FileInfo) error {
	switch kind := info.Mode().Type(); {
	case kind&fs.ModeNamedPipe != 0:
		return errors.New("it is a pipe; name a regular file")
	case kind&fs.ModeSocket != 0:
		return errors.New("it is a socket; name a regular file")
	case kind&fs.ModeDevice != 0:
		return errors.New("it is a device; name a regular file")
	case kind.IsRegular() && info.Size() > most:
		return fmt.Errorf("it has %d bytes; name a file of at most %d MiB", info.Size(), most>>20)
	}
	return nil
}

// errEndless is for a file that is longer than it says.
var errEndless = fmt.Errorf("it is longer than it says; name a file of at most %d MiB", most>>20)

// readAll reads to the end, which may be further away than a file's size told.
func readAll(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > most:
		return nil, errEndless
	}
	return text, nil
}
