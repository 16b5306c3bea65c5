package l4test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Marked is a stream in which some bytes are sent as urgent data (RFC 9293, section 3.8.5). Its urgent bytes can be
// told from the others: they count up from 0x80, and no other has its highest bit set.
type Marked struct {
	Bytes  []byte
	Urgent []int // where in Bytes the urgent ones stand
	pauses map[int]bool
}

// MarkedOf returns one of those sizes, in order, with an urgent byte behind each; below zero: one of that size with
// none behind it.
func MarkedOf(seed uint64, sizes ...int) *Marked {
	m := &Marked{pauses: map[int]bool{}}
	content := Content(seed, 1<<40)
	for _, size := range sizes {
		piece := make([]byte, max(size, -size))
		io.ReadFull(content, piece)
		for i := range piece {
			piece[i] &= 0x7f
		}
		m.Bytes = append(m.Bytes, piece...)
		if size >= 0 {
			m.Bytes = append(m.Bytes, 0x80|byte(len(m.Urgent)))
			m.Urgent = append(m.Urgent, len(m.Bytes)-1)
		}
	}
	return m
}

// RandomMarked returns one of at most size bytes in pieces of any size, with as many urgent bytes: some close together,
// some first, some last. Sometimes its sender waits until all has been acknowledged.
func RandomMarked(seed uint64, size int) *Marked {
	r := rand.New(rand.NewPCG(seed, 0))
	var sizes []int
	for left, n := size, 1+r.IntN(10); n > 0; n-- {
		piece := r.IntN(1 + min(left, 1<<r.IntN(22)))
		if r.IntN(3) == 0 {
			piece = r.IntN(3)
		}
		piece = min(piece, left)
		left -= piece
		sizes = append(sizes, piece)
	}
	if r.IntN(2) == 0 {
		sizes = append(sizes, -r.IntN(1+size/8))
	}
	m := MarkedOf(seed, sizes...)
	for _, at := range m.Urgent {
		m.pauses[at+r.IntN(2)] = r.IntN(4) == 0
	}
	return m
}

// SendMarked sends m.
func (p *Peer) SendMarked(m *Marked) *Peer {
	p.tb.Helper()
	from := 0
	for _, at := range m.Urgent {
		p.sendUpTo(m, from, at)
		p.SendUrgent(m.Bytes[at])
		from = at + 1
	}
	return p.sendUpTo(m, from, len(m.Bytes))
}

func (p *Peer) sendUpTo(m *Marked, from, to int) *Peer {
	p.tb.Helper()
	if m.pauses[from] {
		p.AwaitAcked()
	}
	if from < to {
		p.Send(string(m.Bytes[from:to]))
	}
	if m.pauses[to] {
		p.AwaitAcked()
	}
	return p
}

// A Reading is how a receiver treats urgent data.
type Reading int

const (
	Plainly   Reading = iota // it knows nothing of it: the kernel takes it out of the stream
	OutOfLine                // it asks for it (MSG_OOB), and the kernel takes it out of the stream
	InLine                   // it stays in the stream (SO_OOBINLINE), and its mark is looked for
)

func (r Reading) String() string { return [...]string{"plainly", "out of line", "in line"}[r] }

// ServeReading is Serve for connections that are read so.
func ServeReading(tb testing.TB, how Reading, script func(*Peer)) *Backend {
	tb.Helper()
	return ServeReadingAt(tb, "127.0.0.1:0", how, script)
}

// ServeReadingAt is ServeAt for connections that are read so.
func ServeReadingAt(tb testing.TB, addr string, how Reading, script func(*Peer)) *Backend {
	tb.Helper()
	return listen(tb, addr, script, how.prepare)
}

// DialReading is Dial for a connection that is read so.
func DialReading(tb testing.TB, addr string, how Reading) *Peer {
	tb.Helper()
	p, err := tryDial(tb, addr, how.prepare)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func (r Reading) prepare(_, _ string, raw syscall.RawConn) (err error) {
	if r != InLine {
		return nil
	}
	failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_OOBINLINE, 1) })
	return errors.Join(failed, err)
}

// A Heard is what a receiver of a Marked got until the stream ended.
type Heard struct {
	Stream []byte // what ordinary reads returned
	Urgent []byte // what it asked for out of line
	Marks  []int  // where in Stream it stood at a mark, read in line
	End    error  // io.EOF for a FIN
}

// ReceiveMarked reads until the stream ends, however it does. The Peer must have been made for such a Reading.
func (p *Peer) ReceiveMarked(how Reading) *Heard {
	p.tb.Helper()
	raw, err := p.conn.SyscallConn()
	if err != nil {
		p.fail("receive: %v", err)
	}
	h, buf := &Heard{}, make([]byte, chunk)
	for h.End == nil {
		p.conn.SetReadDeadline(time.Now().Add(stepLimit))
		err := raw.Read(func(fd uintptr) bool { return h.hear(int(fd), how, buf) })
		if err != nil {
			p.fail("got %d bytes, then nothing: %v", len(h.Stream), err)
		}
	}
	return h
}

// ReadInLine reads once from a connection whose urgent data stays in its stream, and waits for as long as the Conn's
// read deadline says. Where the stream stands at a mark it returns that byte alone, and true.
func (p *Peer) ReadInLine(b []byte) (n int, marked bool, err error) {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	var h Heard
	err = raw.Read(func(fd uintptr) bool { return h.hear(int(fd), InLine, b) })
	return copy(b, h.Stream), len(h.Marks) > 0, cmp.Or(err, h.End)
}

// hear reads once, and reports false where nothing has come.
func (h *Heard) hear(fd int, how Reading, buf []byte) bool {
	if how != Plainly {
		// In this order: a mark never moves to a byte that has come already. Read without such care, a byte may be
		// passed over that becomes urgent between two calls.
		whole := ended(fd)
		there, _ := unix.IoctlGetInt(fd, unix.SIOCINQ)
		mark, _ := unix.IoctlGetInt(fd, unix.SIOCATMARK)
		switch {
		case how == OutOfLine && mark != 0:
			if h.ask(fd) == unix.EAGAIN && !whole {
				return false // it was announced, and is still on its way
			}
		case there == 0 && !whole:
			return false
		case mark != 0 && there > 0:
			h.Marks = append(h.Marks, len(h.Stream))
			buf = buf[:1]
		}
	}
	switch n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT); {
	case err == unix.EAGAIN:
		return false
	case err != nil:
		h.End = err
	case n == 0:
		h.End = io.EOF
	default:
		h.Stream = append(h.Stream, buf[:n]...)
	}
	return true
}

// ask takes the last urgent byte that was announced. It returns EAGAIN while that has not come, and EINVAL where it was
// taken already: the mark may have moved to it before it was asked for, and the stream comes to it later (tcp_recv_urg
// in net/ipv4/tcp.c).
func (h *Heard) ask(fd int) error {
	var b [1]byte
	n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_DONTWAIT|unix.MSG_OOB)
	if n > 0 {
		h.Urgent = append(h.Urgent, b[0])
	}
	return err
}

// ended reports whether nothing more can come.
func ended(fd int) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, _ := unix.Poll(poll, 0)
	return n > 0 && poll[0].Revents != 0
}

// Check returns what of m a receiver did not get as TCP lets it, nil where all is well. Urgent bytes that come close
// together may stay in the stream or be dropped by a kernel that keeps them out of line, all but the last; of the
// others none may be missing.
func (m *Marked) Check(how Reading, h *Heard) error {
	if how == InLine {
		return m.checkInLine(h)
	}
	kept, err := m.align(h.Stream)
	if err != nil || len(m.Urgent) == 0 {
		return err
	}
	last := m.Bytes[m.Urgent[len(m.Urgent)-1]]
	switch {
	case kept[last]:
		return fmt.Errorf("the last urgent byte, %#x, stands in the stream", last)
	case how == OutOfLine && h.End == io.EOF && !bytes.HasSuffix(h.Urgent, []byte{last}):
		// After a reset the byte can't be asked for.
		return fmt.Errorf("out of line came % x, want %#x at the end", h.Urgent, last)
	}
	next := 0
	for _, b := range h.Urgent {
		i := bytes.IndexByte(m.urgentBytes()[next:], b)
		if i < 0 {
			return fmt.Errorf("out of line came % x, sent were % x", h.Urgent, m.urgentBytes())
		}
		next += i + 1
	}
	return nil
}

func (m *Marked) checkInLine(h *Heard) error {
	if !bytes.Equal(h.Stream, m.Bytes) {
		return fmt.Errorf("got %d bytes, want %d; they differ from byte %d on", len(h.Stream), len(m.Bytes),
			common(h.Stream, m.Bytes))
	}
	next := 0
	for _, at := range h.Marks {
		for next < len(m.Urgent) && m.Urgent[next] < at {
			next++
		}
		if next == len(m.Urgent) || m.Urgent[next] != at {
			return fmt.Errorf("marks at %v, want some of %v", h.Marks, m.Urgent)
		}
	}
	if n := len(m.Urgent); n > 0 && (len(h.Marks) == 0 || h.Marks[len(h.Marks)-1] != m.Urgent[n-1]) {
		return fmt.Errorf("marks at %v, want one at %d, as the last of %v", h.Marks, m.Urgent[n-1], m.Urgent)
	}
	return nil
}

// align finds in a stream all bytes of m but urgent ones, and returns which of these it has too.
func (m *Marked) align(stream []byte) (kept map[byte]bool, err error) {
	kept = map[byte]bool{}
	at, next := 0, 0
	for i, b := range m.Bytes {
		urgent := next < len(m.Urgent) && m.Urgent[next] == i
		if urgent {
			next++
		}
		switch {
		case at < len(stream) && stream[at] == b:
			at++
			if urgent {
				kept[b] = true
			}
		case !urgent && at == len(stream):
			return nil, fmt.Errorf("the stream ends after %d bytes, before byte %d of %d", at, i, len(m.Bytes))
		case !urgent:
			return nil, fmt.Errorf("byte %d of the stream is %#x, want %#x, byte %d of %d (urgent: %v)", at, stream[at],
				b, i, len(m.Bytes), m.Urgent)
		}
	}
	if at < len(stream) {
		return nil, fmt.Errorf("%d bytes more than were sent", len(stream)-at)
	}
	return kept, nil
}

func (m *Marked) urgentBytes() (all []byte) {
	for _, at := range m.Urgent {
		all = append(all, m.Bytes[at])
	}
	return all
}

// common is how many bytes a and b begin with in common.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	if d := differ(a[:n], b[:n]); d >= 0 {
		return d
	}
	return n
}
