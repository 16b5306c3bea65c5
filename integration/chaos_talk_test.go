package integration

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"forebay/l4/l4test"
)

// A talk is one end of a session of chaos: what it does, and what it has seen. Its fields may be read when it is over.
type talk struct {
	peer     *l4test.Peer
	patience time.Duration // how long it waits for anything
	in, out  stream
	began    time.Time
	over     time.Time

	said     int64 // bytes that were sent
	tried    int64 // those that may have been, as well
	finished bool  // it has sent a FIN behind them
	reset    bool  // it has reset the connection
	end      tail  // how the other side has ended
	why      error // the error that told
	fault    error // a byte that is wrong

	inLine bool    // urgent bytes stay in the stream, and their marks are looked for
	marks  []int64 // where one stood when it was read
	urged  []int64 // the bytes that were sent as urgent data

	mu sync.Mutex // where it says and hears at once
}

// A tail is how a stream ends.
type tail uint8

const (
	open     tail = iota // it has not ended, as far as was read
	fin                  // in good order
	broken               // with a reset
	cut                  // with a FIN, and without the close_notify that TLS wants before it
	unheard              // nothing came for as long as it was waited for
	tlsFault             // TLS is wrong, or the other side says that ours is
)

func (e tail) String() string {
	return [...]string{"no end", "a FIN", "a reset", "a FIN without close_notify", "silence", "a fault of TLS"}[e]
}

// heard returns how many bytes have come, all of them the right ones.
func (k *talk) heard() int64 { return k.in.at }

// play follows the script as one of its two ends.
func (k *talk) play(s script, as direction) {
	ok := true
	switch {
	case s.duplex:
		ok = k.both(s, as)
	default:
		for i, n := range s.turns {
			switch {
			case i%2 == 0 == (as == up):
				ok = ok && k.say(n, s, as)
			default:
				ok = ok && k.hear(n, s.slowness(as))
			}
		}
	}
	if !ok {
		k.hearOut()
		k.finish()
		return
	}
	k.close(s, as)
}

// both has it say its turn and hear the other's at once.
func (k *talk) both(s script, as direction) bool {
	own, other := s.turns[0], s.turns[1]
	if as == down {
		own, other = other, own
	}
	var saying sync.WaitGroup
	said := false
	saying.Go(func() { said = k.say(own, s, as) })
	heard := k.hear(other, s.slowness(as))
	saying.Wait()
	return said && heard
}

// close ends the session as the script says, after all turns.
func (k *talk) close(s script, as direction) {
	first := as == up && s.ending == clientEnds || as == down && s.ending == backendEnds
	resets := as == up && s.ending == clientResets || as == down && s.ending == backendResets
	switch {
	case resets:
		k.breakOff(s.acked)
	case first:
		k.finish()
		k.hearOut()
	default:
		k.hearOut()
		k.finish()
	}
}

func (s script) pauseOf(as direction) time.Duration {
	if as == up {
		return s.pause
	}
	return 0
}

func (s script) slowness(as direction) time.Duration {
	if as == up {
		return s.slow
	}
	return 0
}

// say sends the stream's next n bytes, and reports whether all were taken.
func (k *talk) say(n int64, s script, as direction) bool {
	if pause := s.pauseOf(as); pause > 0 {
		<-time.After(pause)
	}
	buf := make([]byte, min(n, int64(s.chunk), 256<<10))
	for n > 0 {
		size, urgent := k.piece(min(n, int64(len(buf))), s.urgent[as])
		p := buf[:size]
		m, err := k.send(p, urgent, s.lull)
		k.said += int64(m)
		if err != nil {
			k.note(err)
			return false
		}
		n -= int64(m)
	}
	return true
}

// piece returns how many bytes may be sent at once, and whether they are one of those that are sent as urgent data.
func (k *talk) piece(most int64, urgent []int64) (size int64, is bool) {
	for _, at := range urgent {
		switch ahead := at - k.out.at; {
		case ahead == 0:
			return 1, true
		case ahead > 0:
			return min(most, ahead), false
		}
	}
	return most, false
}

// send sends what comes next in the stream, as much as p takes.
func (k *talk) send(p []byte, urgent bool, lull time.Duration) (n int, err error) {
	k.peer.Conn().SetWriteDeadline(time.Now().Add(k.patience))
	at := k.out.at
	k.out.fill(p)
	k.tried += int64(len(p))
	if !urgent {
		return k.peer.Conn().Write(p)
	}
	<-time.After(lull)
	defer func() { <-time.After(lull) }()
	if err := k.peer.TrySendUrgent(p[0]); err != nil {
		return 0, err
	}
	k.urged = append(k.urged, at)
	return 1, nil
}

// hear reads n bytes, and reports whether they came and were right.
func (k *talk) hear(n int64, slow time.Duration) bool {
	buf := make([]byte, min(n, 64<<10))
	for n > 0 {
		if slow > 0 {
			<-time.After(slow)
		}
		m, ok := k.read(buf[:min(n, int64(len(buf)))])
		n -= int64(m)
		if !ok && n > 0 {
			return false
		}
	}
	return true
}

// hearOut reads to the end, whatever that is.
func (k *talk) hearOut() {
	for buf := make([]byte, 16<<10); k.fault == nil && k.ending() == open; {
		k.read(buf)
	}
}

// read reads once, and reports whether more may be read.
func (k *talk) read(b []byte) (n int, ok bool) {
	if k.fault != nil {
		return 0, false
	}
	n, err := k.receive(b, k.in.at)
	if n > 0 {
		if k.fault = k.in.check(b[:n]); k.fault != nil {
			return n, false
		}
	}
	if err != nil {
		k.note(err)
	}
	return n, err == nil
}

// receive reads once what stands at that place of the stream.
func (k *talk) receive(b []byte, at int64) (n int, err error) {
	k.peer.Conn().SetReadDeadline(time.Now().Add(k.patience))
	if !k.inLine {
		return k.peer.Conn().Read(b)
	}
	n, marked, err := k.peer.ReadInLine(b)
	if marked {
		k.marks = append(k.marks, at)
	}
	return n, err
}

// note takes in an error of the connection. The first one counts: the kernel tells of a reset once, and shows a clean
// end from then on.
func (k *talk) note(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.end != open {
		return
	}
	k.why = err
	switch {
	case errors.Is(err, io.EOF):
		k.end = fin
	case l4test.IsReset(err):
		k.end = broken
	case errors.Is(err, os.ErrDeadlineExceeded):
		k.end = unheard
	case errors.Is(err, io.ErrUnexpectedEOF):
		k.end = cut
	default:
		k.end = tlsFault
	}
}

func (k *talk) ending() tail {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.end
}

// finish sends a FIN. One who has waited in vain resets.
func (k *talk) finish() {
	switch {
	case k.ending() == broken:
	case k.ending() == unheard || k.fault != nil || k.said < k.tried:
		k.breakOff(false)
	default:
		half := k.peer.Conn().(interface{ CloseWrite() error })
		err := half.CloseWrite()
		if k.finished = err == nil; l4test.IsReset(err) { // close_notify has found out
			k.note(err)
		}
	}
}

// breakOff resets the connection, once all is acknowledged where that is wanted.
func (k *talk) breakOff(acked bool) {
	for until := time.Now().Add(k.patience); acked && k.peer.Unacked() > 0 && time.Now().Before(until); {
		<-time.After(time.Millisecond)
	}
	k.reset = true
	k.peer.Reset()
}

// String says what the talk came to.
func (k *talk) String() string {
	own := "with nothing"
	if k.finished {
		own = "with a FIN"
	} else if k.reset {
		own = "with a reset"
	}
	return fmt.Sprintf("said %d of %d bytes (urgent: %v), then ended %s; heard %d (marks at %v), then %s (%v); %v after %s",
		k.said, k.tried, k.urged, own, k.heard(), k.marks, k.end, k.why,
		k.over.Sub(k.began).Round(time.Millisecond), k.began.Format("05.000"))
}
