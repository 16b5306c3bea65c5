package accesslog

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"forebay/l4"
)

const (
	// defaultBuffer holds some ten thousand lines: seconds of a busy machine, should the reader pause.
	defaultBuffer = 4 << 20
	// batchSize is when lines are written without waiting for more. A pipe holds as much by default (pipe(7)).
	batchSize = 64 << 10
	// batchDelay is how long the first line of a batch waits for others.
	batchDelay = 100 * time.Millisecond
	// retryDelay is how long a failed write is left alone.
	retryDelay = time.Second
	// keptBuffer is the capacity above which a buffer that a burst has grown is given back.
	keptBuffer = 16 * batchSize
	// closeTimeout is how long Close waits for a reader that takes nothing.
	closeTimeout = 2 * time.Second
)

// Options is how a Log writes. The zero value writes nothing; Format alone is enough.
type Options struct {
	Format   Format
	LogEmpty bool // also sessions without a byte either way
	// Buffer is how many bytes of lines may wait, beside a batch no larger that is being written. 0: 4 MiB.
	Buffer int
	// Failed is called when writing fails after it had worked, on the Log's goroutine. The lines are lost and counted. nil: not called.
	Failed func(error)
}

// A Log turns finished sessions into lines and writes them in batches, on one goroutine of its own. Who made it closes it.
type Log struct {
	w       io.Writer
	o       Options
	timer   *time.Timer   // runs from the first line of a batch
	full    chan struct{} // has a token when a batch is full
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

// New starts a Log that writes to w, whole lines in one Write.
func New(w io.Writer, o Options) *Log {
	if o.Buffer <= 0 {
		o.Buffer = defaultBuffer
	}
	l := &Log{
		w:       w,
		o:       o,
		timer:   time.NewTimer(batchDelay),
		full:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go l.run()
	return l
}

// Finished logs one session. It never blocks and does no I/O: the line is formatted here, as r is used again, and waits in memory.
// If there is no room for it, it is dropped and counted. Finished may be called from several goroutines.
func (l *Log) Finished(r *l4.Record) {
	if l.o.Format == Off || !l.o.LogEmpty && untouched(r) {
		return
	}
	var scratch [1536]byte // of the stack; a longer line costs an allocation
	l.enter(appendRecord(scratch[:0], l.o.Format, r))
}

// untouched reports whether a session carried nothing. A client that got no backend is another thing, unless it left by itself, and so are
// sides that spoke TLS in vain.
func untouched(r *l4.Record) bool {
	switch r.Cause {
	case l4.ClientTLSFault, l4.BackendTLSFault:
		return false
	}
	return r.Empty() && (r.Backend != "" || r.Cause == l4.ClientLeft)
}

// enter copies text to the lines that wait, and sees to it that somebody writes them.
func (l *Log) enter(text []byte) {
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
		l.timer.Reset(batchDelay)
	}
	if before < batchSize && after >= batchSize {
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
}

// run writes what waits, whenever a batch is full or old enough, until Close.
func (l *Log) run() {
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

// flush writes until nothing waits. Lines are lost only while others wait to be written, so the number of the lost comes after the
// batch.
func (l *Log) flush() {
	for {
		lost := l.take()
		if lost > 0 {
			l.batch = appendLost(l.batch, l.o.Format, time.Now(), lost)
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
func (l *Log) take() (lost uint64) {
	if cap(l.batch) > keptBuffer {
		l.batch = nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batch, l.lines = l.lines, l.batch[:0]
	l.writing, l.waiting = l.waiting, 0
	lost, l.lost = l.lost, 0
	return lost
}

// write writes the batch, whose last line says that lost are missing unless lost is 0. What could not be written is lost, too.
func (l *Log) write(lost uint64) {
	n, err := l.writeBatch()
	if err == nil {
		l.batch, l.failed = l.batch[:0], false
		return
	}
	l.giveUp(l.batch[n:], lost)
	if !l.failed && l.o.Failed != nil {
		l.o.Failed(fmt.Errorf("write the access log: %w", err))
	}
	l.batch, l.failed = l.batch[:0], true
}

// writeBatch returns how much of the batch was written. A line that an earlier write left torn is ended first. How much a write into a
// pipe has got rid of is known when it returns, so a batch that grew while another was stuck goes in parts.
func (l *Log) writeBatch() (n int, err error) {
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
func (l *Log) wrote(text []byte) {
	n := uint64(bytes.Count(text, []byte{'\n'}))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing -= min(n, l.writing) // the last may say what is missing, and is none of a session
}

// giveUp counts the lines in rest as lost. The last of them is none of a session if it says that lost were missing before.
func (l *Log) giveUp(rest []byte, lost uint64) {
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

// Dropped returns how many lines were dropped since the start, for want of room or because writing failed. After a Close that gave up these
// are also the lines that still wait; of those that a write is stuck in, a pipe may have taken some already.
func (l *Log) Dropped() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gaveUp {
		return l.dropped + l.waiting + l.writing
	}
	return l.dropped
}

// Close writes what waits and ends the Log; sessions that finish later are dropped. It does not close the writer. If that takes nothing
// for two seconds, Close gives up with an error. The second call is a no-op.
func (l *Log) Close() error {
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
		return fmt.Errorf("close the access log: its reader has taken nothing for %v", closeTimeout)
	}
}
