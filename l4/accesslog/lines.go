package accesslog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// defaultBuffer holds some ten thousand lines: seconds of a busy machine, should the reader pause.
	defaultBuffer = 4 << 20
	// batchSize is when lines are written without waiting for more. A pipe holds as much by default (pipe(7)).
	batchSize = 64 << 10
	// retryDelay is how long a failed write is left alone.
	retryDelay = time.Second
	// keptBuffer is the capacity above which a buffer that a burst has grown is given back.
	keptBuffer = 16 * batchSize
	// closeTimeout is how long Close waits for a reader that takes nothing.
	closeTimeout = 2 * time.Second
)

// LinesOptions is how Lines are written. The zero value writes each as soon as it can.
type LinesOptions struct {
	// Buffer is how many bytes of lines may wait, beside a batch no larger that is being written. 0: 4 MiB.
	Buffer int
	// Delay is how long the first line of a batch waits for others.
	Delay time.Duration
	// Lost appends a line which says that n lines are missing. nil: nothing says so.
	Lost func(b []byte, n uint64) []byte
	// Failed is called when writing fails after it had worked, on the goroutine that writes. The lines are lost and
	// counted. nil: not called.
	Failed func(error)
}

// Lines writes lines on a goroutine of its own, so that whoever has one to write waits for no reader and no disk. Lines
// for which there is no room are lost and counted. Who made it closes it.
type Lines struct {
	w       io.Writer
	o       LinesOptions
	timer   *time.Timer   // runs from the first line of a batch
	full    chan struct{} // has a token when a batch is full
	taken   chan struct{} // has a token when lines have been taken from those that wait
	closing chan struct{}
	done    chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex // guards what follows; never held while writing
	lines   []byte     // wait to be written
	waiting uint64     // how many lines that is, which is not to be counted while loops wait
	writing uint64     // how many lines of the batch are not known to be written
	lost    uint64     // dropped since the last line that said so
	dropped uint64     // since the start
	closed  bool
	gaveUp  bool // Close did: what waits is lost

	// Belong to the goroutine.
	batch  []byte // being written
	failed bool   // the last write failed
	torn   bool   // and stopped within a line
}

// NewLines starts Lines that are written to w, whole lines in one Write.
func NewLines(w io.Writer, o LinesOptions) *Lines {
	if o.Buffer <= 0 {
		o.Buffer = defaultBuffer
	}
	l := &Lines{
		w:       w,
		o:       o,
		timer:   time.NewTimer(o.Delay),
		full:    make(chan struct{}, 1),
		taken:   make(chan struct{}, 1),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go l.run()
	return l
}

// Write takes one line, newline included. It never waits and does no I/O: text waits in memory, or is lost where there
// is no room for it. Write may be called from several goroutines.
func (l *Lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	before := len(l.lines)
	fits := !l.closed && before+len(text) <= l.o.Buffer
	if fits {
		l.lines = append(l.lines, text...)
		l.waiting++
	} else {
		l.lost++
		l.dropped++
	}
	after := len(l.lines)
	l.mu.Unlock()

	if before == 0 && fits {
		l.timer.Reset(l.o.Delay)
	}
	if before < batchSize && after >= batchSize {
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
	return len(text), nil
}

// Wait returns when at least half of the room is free, or ctx is done. Only one goroutine may wait at a time.
func (l *Lines) Wait(ctx context.Context) {
	for l.crowded() {
		select {
		case <-l.taken:
		case <-ctx.Done():
			return
		}
	}
}

func (l *Lines) crowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines) > l.o.Buffer/2
}

// run writes what waits, whenever a batch is full or old enough, until Close.
func (l *Lines) run() {
	defer close(l.done)
	defer l.timer.Stop()
	for {
		select {
		case <-l.timer.C:
		case <-l.full:
		case <-l.closing:
			l.flush()
			return
		}
		l.flush()
	}
}

// flush writes until nothing waits. Lines are lost only while others wait to be written, so the number of the lost
// comes after the batch.
func (l *Lines) flush() {
	for {
		lost := l.take()
		if lost > 0 && l.o.Lost != nil {
			l.batch = l.o.Lost(l.batch, lost)
		}
		if len(l.batch) == 0 {
			return
		}
		l.write(lost)
		if l.failed {
			l.timer.Reset(retryDelay)
			return
		}
	}
}

// take makes the lines that wait the batch, and returns how many were lost after them.
func (l *Lines) take() (lost uint64) {
	if cap(l.batch) > keptBuffer {
		l.batch = nil
	}
	l.mu.Lock()
	l.batch, l.lines = l.lines, l.batch[:0]
	l.writing, l.waiting = l.waiting, 0
	lost, l.lost = l.lost, 0
	l.mu.Unlock()
	select {
	case l.taken <- struct{}{}:
	default:
	}
	return lost
}

// write writes the batch, whose last line says that lost are missing unless lost is 0. What could not be written is
// lost, too.
func (l *Lines) write(lost uint64) {
	n, err := l.writeBatch()
	if err == nil {
		l.batch, l.failed = l.batch[:0], false
		return
	}
	l.giveUp(l.batch[n:], lost)
	if !l.failed && l.o.Failed != nil {
		l.o.Failed(err)
	}
	l.batch, l.failed = l.batch[:0], true
}

// writeBatch returns how much of the batch was written. A line that an earlier write left torn is ended first. How much
// a write into a pipe has got rid of is known when it returns, so a batch that grew while another was stuck goes in
// parts.
func (l *Lines) writeBatch() (n int, err error) {
	if l.torn {
		if _, err := l.w.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		l.torn = false
	}
	for n < len(l.batch) && err == nil {
		var more int
		more, err = l.w.Write(part(l.batch[n:]))
		l.wrote(l.batch[n : n+more])
		n += more
	}
	if n > 0 && n < len(l.batch) {
		l.torn = l.batch[n-1] != '\n'
	}
	return n, err
}

// part returns the first lines of text, no more of them than a batch should have.
func part(text []byte) []byte {
	if len(text) <= batchSize {
		return text
	}
	end := bytes.LastIndexByte(text[:batchSize], '\n') + 1
	if end == 0 {
		return text // a line that is longer than that
	}
	return text[:end]
}

// wrote takes the lines in text off those that are being written.
func (l *Lines) wrote(text []byte) {
	n := uint64(bytes.Count(text, []byte{'\n'}))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing -= min(n, l.writing) // the last may say what is missing, and is none of a session
}

// giveUp counts the lines in rest as lost. The last of them is none of a session if it says that lost were missing
// before.
func (l *Lines) giveUp(rest []byte, lost uint64) {
	unwritten := uint64(bytes.Count(rest, []byte{'\n'}))
	if lost > 0 && unwritten > 0 {
		unwritten--
	} else {
		lost = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = 0
	l.dropped += unwritten
	l.lost += unwritten + lost
}

// Dropped returns how many lines were dropped since the start, for want of room or because writing failed. After a
// Close that gave up these are also the lines that still wait; of those that a write is stuck in, a pipe may have taken
// some already.
func (l *Lines) Dropped() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gaveUp {
		return l.dropped + l.waiting + l.writing
	}
	return l.dropped
}

// Close writes what waits and ends the Lines; those that come later are dropped. It does not close the writer. If that
// has not taken all after two seconds, Close gives up with an error; a line may be cut then. The second call is a
// no-op.
func (l *Lines) Close() error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if first {
		close(l.closing)
	}
	select {
	case <-l.done:
		return nil
	case <-time.After(closeTimeout):
		l.mu.Lock()
		l.gaveUp = true
		l.mu.Unlock()
		return fmt.Errorf("its reader has not taken all of it in %v", closeTimeout)
	}
}
