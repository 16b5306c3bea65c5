package file

import (
	"os"
	"syscall"
	"time"
)

// A Stamp is what tells one state of a file from another without reading it. It is comparable; the zero Stamp is of no
// file.
//
// The time of change (st_ctime of inode(7)) is what no tool can set: cp -p, tar and rsync -t give a new file the size
// and the time of modification of the old one, and the inode may be the old one's as well.
type Stamp struct {
	device, inode     uint64
	size              int64
	modified, changed time.Duration // since 1970
}

// StampOf returns the Stamp of the file at path. A link is followed: what counts is the file in the end.
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

// coarsest is how far apart two changes may be that a file system gives one time: 10 ms on most, a second or two on old
// ones.
const coarsest = 2 * time.Second

// young reports whether the file may have changed after it was looked at, at the time now, and have the same Stamp
// still.
func (s Stamp) young(now time.Time) bool {
	age := sinceEpoch(now.Unix(), 0) - s.changed
	return -coarsest < age && age < coarsest
}
