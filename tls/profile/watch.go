package profile

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"forebay/tls/file"
)

// interval is how often Watch looks at files.
const interval = 500 * time.Millisecond

// An Event is what has become of a file that has changed.
type Event struct {
	File string
	Err  error // what is wrong with it; nil: what it holds is in use
	// List is a revocation list in it that has become Ending or Overdue; Fresh: none.
	List List
}

// String tells the event in a sentence.
func (e Event) String() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("%s can't be used, what it held before is kept: %v", e.File, e.Err)
	case e.List.Age == Ending:
		return fmt.Sprintf("the revocation list of %q in %s goes out of date on %s", e.List.Authority, e.File, date(e.List.Next))
	case e.List.Age == Overdue:
		return fmt.Sprintf("the revocation list of %q in %s is out of date since %s", e.List.Authority, e.File, date(e.List.Next))
	}
	return e.File + " has changed and is in use"
}

// A File is one that is read again when it changes: Tickets, a CRL, an ECH, or one of Authorities. It belongs to the
// goroutine that checks it.
type File interface {
	// Check looks once, and reads the file again if it has changed. It reports whether there is something to tell.
	Check() (Event, bool)
}

// Watch checks files at once and then twice a second, until ctx is done. In between it calls what comes from between,
// which may be nil: so files belong to one goroutine.
func Watch(ctx context.Context, report func(Event), between <-chan func(), files ...File) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		for _, f := range files {
			if e, ok := f.Check(); ok {
				report(e)
			}
		}
		select {
		case <-ctx.Done():
			return
		case f := <-between:
			f()
		case <-tick.C:
		}
	}
}

// A watched is a file that is used as a T.
type watched[T any] struct {
	parse func(text []byte) (T, error)
	value atomic.Pointer[T] // what everybody reads: of the last good file

	file  file.Watched
	fault error
	told  bool
}

// open reads the file for the first time.
func (w *watched[T]) open(path string, parse func([]byte) (T, error)) error {
	w.file.Path, w.parse = path, parse
	return w.read()
}

func (w *watched[T]) read() error {
	text, err := w.file.Read()
	if err != nil {
		return err
	}
	v, err := w.parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", w.file.Path, err)
	}
	w.value.Store(&v)
	return nil
}

// check looks at the file once, and reads it again if it has changed, and as long as it is bad: what is wrong may go
// away without a change, as does a file's mode, or a lack of descriptors. As it may be seen half written, what is bad
// is told only if it is still so at the next look at the same file.
func (w *watched[T]) check() (e Event, ok bool) {
	changed := w.file.Changed()
	if !changed && w.fault == nil {
		return e, false
	}
	if changed {
		w.told = false
	}
	if w.fault = w.read(); w.fault == nil {
		return Event{File: w.file.Path}, true
	}
	ok = !changed && !w.told
	w.told = w.told || ok
	return Event{File: w.file.Path, Err: w.fault}, ok
}
