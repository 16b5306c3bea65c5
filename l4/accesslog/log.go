package accesslog

import (
	"fmt"
	"io"
	"time"

	"forebay/l4"
)

// batchDelay is how long the first line of a batch waits for others.
const batchDelay = 100 * time.Millisecond

// Options is how a Log writes. The zero value writes nothing; Format alone is enough.
type Options struct {
	Format   Format
	LogEmpty bool // also sessions without a byte either way
	// Buffer is how many bytes of lines may wait, beside a batch no larger that is being written. 0: 4 MiB.
	Buffer int
	// Failed is called when writing fails after it had worked, on the Log's goroutine. The lines are lost and counted.
	// nil: not called.
	Failed func(error)
}

// A Log turns finished sessions into lines and writes them in batches, on one goroutine of its own. Who made it closes
// it.
type Log struct {
	o     Options
	lines *Lines
}

// New starts a Log that writes to w, whole lines in one Write.
func New(w io.Writer, o Options) *Log {
	return &Log{o: o, lines: NewLines(w, LinesOptions{
		Buffer: o.Buffer,
		Delay:  batchDelay,
		Lost:   func(b []byte, n uint64) []byte { return appendLost(b, o.Format, time.Now(), n) },
		Failed: o.failed,
	})}
}

func (o *Options) failed(err error) {
	if o.Failed != nil {
		o.Failed(fmt.Errorf("write the access log: %w", err))
	}
}

// Finished logs one session. It never blocks and does no I/O: the line is formatted here, as r is used again, and waits
// in memory. If there is no room for it, it is dropped and counted. Finished may be called from several goroutines.
func (l *Log) Finished(r *l4.Record) {
	if l.o.Format == Off || !l.o.LogEmpty && untouched(r) {
		return
	}
	var scratch [1536]byte // of the stack; a longer line costs an allocation
	l.lines.Write(appendRecord(scratch[:0], l.o.Format, r))
}

// untouched reports whether a session carried nothing. A client that got no backend is another thing, unless it left by
// itself, and so are sides that spoke TLS in vain.
func untouched(r *l4.Record) bool {
	switch r.Cause {
	case l4.ClientTLSFault, l4.BackendTLSFault:
		return false
	}
	return r.Empty() && (r.Backend != "" || r.Cause == l4.ClientLeft)
}

// Dropped returns how many lines were dropped since the start, as Lines.Dropped does.
func (l *Log) Dropped() uint64 { return l.lines.Dropped() }

// Close writes what waits and ends the Log; sessions that finish later are dropped. It does not close the writer. If
// that takes nothing for two seconds, Close gives up with an error. The second call is a no-op.
func (l *Log) Close() error {
	if err := l.lines.Close(); err != nil {
		return fmt.Errorf("close the access log: %w", err)
	}
	return nil
}
