package file

import (
	"crypto/sha256"
	"time"
)

// A Watched is a file that is read and then watched for changes. Only one goroutine at a time may call its methods.
type Watched struct {
	Path string
	// Quotable is whether what was read last may be quoted: everybody may read it, also by the way that links take to
	// it.
	Quotable bool

	stamp Stamp
	young bool // it may have changed since then and have the same stamp
	read  bool // the last read succeeded
	sum   [sha256.Size]byte
	looks int
}

// Read returns the content of the file, as the function Read does, and remembers its state.
func (w *Watched) Read() ([]byte, error) {
	w.stamp = StampOf(w.Path) // before the read: so a change in between is seen at the next look
	w.young = w.stamp.young(time.Now())
	text, info, err := read(w.Path)
	w.read, w.sum = err == nil, sha256.Sum256(text)
	w.Quotable = err == nil && quotable(w.Path, info)
	return text, err
}

// Some file systems keep no time of change (vfat, some over a network). So the content of a small file is compared now
// and then, even if its Stamp is the same. For a key and its certificate that takes 30 µs.
const (
	comparedEach = 64 // looks
	mostCompared = 1 << 20
)

// mostRetried is how large a file may be to be read again at each look while it is bad: that takes up to 5 ms.
const mostRetried = 64 << 10

// Again reports, after Changed has found the file as it was, whether one that is bad is to be read again all the same:
// what is wrong may be gone without a change to it, as where the clock was behind. A large one is read again now and
// then, as a look comes twice a second and reading it may take as long.
func (w *Watched) Again() bool {
	return !w.read || w.stamp.size <= mostRetried || w.looks%comparedEach == 0
}

// Changed reports whether the file has changed since the last Read or Changed. That it can't be read any more is a
// change, too. A new time or other permissions alone are not.
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
