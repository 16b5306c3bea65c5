package file

import (
	"crypto/sha256"
	"time"
)

// A Watched is a file that is read, and looked at for changes from then on. Its methods are for one goroutine at a
// time.
type Watched struct {
	Path string
	// Public is whether everybody may read what was read last. What only some may read is quoted to nobody.
	Public bool

	stamp Stamp
	young bool // it may have changed since it was looked at
	read  bool // it could be read
	sum   [sha256.Size]byte
	looks int
}

// Read returns what is in the file, as the function Read does, and takes note of it.
func (w *Watched) Read() ([]byte, error) {
	w.stamp = StampOf(w.Path) // before it is read: a change in between is seen at the next look
	w.young = w.stamp.young(time.Now())
	text, info, err := read(w.Path)
	w.read, w.sum = err == nil, sha256.Sum256(text)
	w.Public = err == nil && info.Mode()&forAll != 0
	return text, err
}

// forAll is the right of everybody to read (inode(7)).
const forAll = 0o004

// Some file systems keep no time of change (vfat, some over a network). So now and then the content is compared of a
// file that looks as it did, if it is small: of a key and its certificate that takes 30 µs.
const (
	comparedEach = 64 // looks
	mostCompared = 1 << 20
)

// Changed reports whether the file is another than that which was read or seen last. One that can't be read is another
// than one that could. What has only been touched, or been given other rights, is the same.
func (w *Watched) Changed() bool {
	now := StampOf(w.Path)
	w.looks++
	compare := w.young || w.looks%comparedEach == 0 && now.size <= mostCompared && w.read
	if now == w.stamp && !compare {
		return false
	}
	before := *w
	_, err := w.Read()
	return err != nil && (before.read || before.stamp != w.stamp) || err == nil && (!before.read || before.sum != w.sum)
}
