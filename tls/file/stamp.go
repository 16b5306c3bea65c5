package file

import (
	"os"
	"syscall"
	"time"
)

// A Stamp tells one state of a file from another without reading it. It is comparable; the zero Stamp means that there
// is no file.
//
// It contains the time of change (st_ctime of inode(7)), which no tool can set: cp -p, tar and rsync -t may give a new
// file the size and the time of modification of the old one, and the inode may be the same, too.
type Stamp struct {
	device, inode     uint64
	size              int64
	modified, changed time.Duration // since 1970
}

// StampOf returns the Stamp of the file at path. It follows links.
func StampOf(path string) Stamp {
	info, err := os.Stat(path)
	if err != nil {
		return Stamp{}
	}
	return stampOf(info)
}

func stampOf(info os.FileInfo) Stamp {
	s := Stamp{size: info.Size(), modified: sinceEpoch(info.ModTime().Unix(), int64(info.ModTime().Nanosecond()))}
	if raw, ok := info.Sys().(*syscall.Stat_t); ok {
		s.device, s.inode, s.changed = uint64(raw.Dev), raw.Ino, sinceEpoch(raw.Ctim.Unix())
	}
	return s
}

func sinceEpoch(seconds, nanoseconds int64) time.Duration {
	return time.Duration(seconds)*time.Second + time.Duration(nanoseconds)
}

// IsZero reports whether there was no file.
func (s Stamp) IsZero() bool { return s == Stamp{} }

// coarsest is how far apart two changes may be and still have the same time: 10 ms on most file systems, up to two
// seconds on old ones.
const coarsest = 2 * time.Second

// young reports whether the file may change after now and keep the same Stamp.
func (s Stamp) young(now time.Time) bool {
	age := sinceEpoch(now.Unix(), 0) - s.changed
	return -coarsest < age && age < coarsest
}
