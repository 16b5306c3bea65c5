package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unicode/utf16"
)

// most is the most bytes that a file may have. The longest lists of revoked certificates and of addresses have some
// tens of MiB.
const most = 64 << 20

// Read reads a file that an operator has named. It refuses a file of more than 64 MiB and one that is not regular: a
// pipe may never begin, a device may never end, and neither can be read again. Text that begins with a byte order mark
// is returned in UTF-8 and without the mark. The error is an *fs.PathError.
func Read(path string) ([]byte, error) {
	text, _, err := read(path)
	return text, err
}

// read is Read, and also returns the FileInfo of the file that was read.
func read(path string) ([]byte, fs.FileInfo, error) {
	if info, err := os.Stat(path); err == nil { // before the open, which would wait for the other end of a pipe
		if err := unfit(info); err != nil {
			return nil, nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, unopened(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	text, err := readAll(f)
	if err == errEndless {
		err = &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return plain(text), info, err
}

// unopened adds a cure to an error of os.Open.
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

// unfit says why a file is not read. For a directory it returns nil: the kernel refuses to read one.
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

// errEndless is for a file with more bytes than stat(2) says.
var errEndless = fmt.Errorf("it is longer than it says; name a file of at most %d MiB", most>>20)

// plain returns text in UTF-8 without a byte order mark. Editors and shells of Windows write such marks, and UTF-16.
func plain(text []byte) []byte {
	switch {
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return text[3:]
	case bytes.HasPrefix(text, []byte("\xff\xfe")):
		return fromUTF16(text[2:], binary.LittleEndian)
	case bytes.HasPrefix(text, []byte("\xfe\xff")):
		return fromUTF16(text[2:], binary.BigEndian)
	}
	return text
}

func fromUTF16(text []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = order.Uint16(text[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}

// readAll reads to the end. A file may be longer than its size said.
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
