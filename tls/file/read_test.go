package file

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// sparse makes a file of a size, which takes no room on the disk.
func sparse(t testing.TB, path string, size int64) {
	t.Helper()
	must(t, 0, os.WriteFile(path, nil, 0o600))
	must(t, 0, os.Truncate(path, size))
}

func TestReadRefusesWhatHasNoEnd(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, 0, syscall.Mkfifo(at("pipe"), 0o600))
	must(t, 0, os.Symlink(at("pipe"), at("link")))
	l, err := net.Listen("unix", at("socket"))
	must(t, l, err)
	defer l.Close()
	sparse(t, at("long"), most+1)
	for path, want := range map[string]string{
		at("pipe"):   "it is a pipe; name a regular file",
		at("link"):   "it is a pipe; name a regular file",
		at("socket"): "it is a socket; name a regular file",
		os.DevNull:   "it is a device; name a regular file",
		at("long"):   "it has 67108865 bytes; name a file of at most 64 MiB",
		dir:          "is a directory",
	} {
		_, err := Read(path)
		if e, ok := errors.AsType[*fs.PathError](err); !ok || e.Error() != "read "+path+": "+want {
			t.Errorf("%s: got %v, want %q", path, err, "read "+path+": "+want)
		}
	}
	want := "open " + at("none") + ": no such file or directory; name a file that is there"
	if _, err := Read(at("none")); !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
		t.Errorf("none: got %v, want %s", err, want)
	}
}

func TestReadNamesTheRightThatIsMissing(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read any file")
	}
	path := filepath.Join(t.TempDir(), "file")
	must(t, 0, os.WriteFile(path, nil, 0o200))
	want := "open " + path + ": permission denied; give this user the right to read it, or name another"
	if _, err := Read(path); !errors.Is(err, fs.ErrPermission) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestReadReadsAsMuchAsMayBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	sparse(t, path, most)
	if text, err := Read(path); len(text) != most || err != nil {
		t.Errorf("got %d bytes and %v, want %d", len(text), err, most)
	}
}

// zeros is a file without an end, as some of /proc are, whose size is 0.
type zeros struct{ read int }

func (z *zeros) Read(b []byte) (int, error) {
	if z.read += len(b); z.read > 4*most {
		return 0, io.ErrUnexpectedEOF // rather than to take all memory
	}
	clear(b)
	return len(b), nil
}

func TestReadEndsWithoutAnEnd(t *testing.T) {
	if text, err := readAll(new(zeros)); text != nil || err != errEndless {
		t.Errorf("got %d bytes and %v, want %v", len(text), err, errEndless)
	}
}
