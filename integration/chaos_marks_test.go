package integration

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// What chaos sends is marked: each byte follows from its session, its direction and its place. So one that is another
// session's, comes twice, is missing or out of order is seen where it is read, and told whose it is.

// A direction is one of a session's two streams.
type direction byte

const (
	up   direction = '>' // client to backend
	down direction = '<'
)

func (d direction) String() string {
	if d == up {
		return "to its backend"
	}
	return "to its client"
}

// A stream is one direction of a session, from at on. It consists of marks.
type stream struct {
	run  uint32 // tells one test from all others
	id   uint64 // of the session
	dir  direction
	at   int64
	mark [markSize]byte // the one that at stands in
}

// A mark is 16 bytes: the session, the direction, the mark's number, and a checksum over them and the run.
const markSize = 16

func putMark(b []byte, run uint32, id uint64, dir direction, number int64) {
	binary.BigEndian.PutUint64(b, id<<8|uint64(dir))
	binary.BigEndian.PutUint32(b[8:], uint32(number))
	binary.BigEndian.PutUint32(b[12:], crc32.Update(run, crc32.IEEETable, b[:12]))
}

// readMark returns what a mark says, and whether it is one.
func readMark(b []byte, run uint32) (id uint64, dir direction, number int64, ok bool) {
	head := binary.BigEndian.Uint64(b)
	ok = binary.BigEndian.Uint32(b[12:]) == crc32.Update(run, crc32.IEEETable, b[:12])
	return head >> 8, direction(head), int64(binary.BigEndian.Uint32(b[8:])), ok
}

// fill writes what comes next in the stream.
func (s *stream) fill(b []byte) {
	for len(b) > 0 {
		within := s.at % markSize
		putMark(s.mark[:], s.run, s.id, s.dir, s.at/markSize)
		n := copy(b, s.mark[within:])
		b = b[n:]
		s.at += int64(n)
	}
}

// check compares b with what comes next in the stream, and says what is wrong.
func (s *stream) check(b []byte) error {
	want := make([]byte, len(b))
	began := s.at
	s.fill(want)
	if bytes.Equal(b, want) {
		return nil
	}
	i := 0
	for b[i] == want[i] {
		i++
	}
	return fmt.Errorf("session %d, byte %d %s: got %s", s.id, began+int64(i), s.dir, s.blame(b, i, began))
}

// blame says whose the bytes from b[i] on are, of which b[0] was to be byte number began.
func (s *stream) blame(b []byte, i int, began int64) string {
	for from := max(0, i-markSize+1); from+markSize <= len(b); from++ {
		id, dir, number, ok := readMark(b[from:], s.run)
		if !ok || from+markSize <= i {
			continue
		}
		switch place := number*markSize + int64(i-from); {
		case id != s.id:
			return fmt.Sprintf("FOREIGN: byte %d of session %d %s", place, id, dir)
		case dir != s.dir:
			return fmt.Sprintf("TURNED: its own byte %d %s", place, dir)
		case place < began+int64(i):
			return fmt.Sprintf("TWICE: its own byte %d", place)
		default:
			return fmt.Sprintf("LOST: its own byte %d", place)
		}
	}
	return fmt.Sprintf("nobody's bytes: %x", b[i:min(len(b), i+2*markSize)])
}
