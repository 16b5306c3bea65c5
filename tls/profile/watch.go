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

// An Event says that a file has changed, or that a revocation list in it nears its end.
type Event struct {
	File string
	Err  error // what is wrong with the file; nil: its content is in use
	// List is a revocation list in the file that has become Ending or Overdue. If its Age is Fresh, there is none.
	List List
}

// String returns the event as a sentence.
func (e Event) String() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("%s can't be used, what it held before is kept: %v", e.File, e.Err)
	case e.List.Age == Ending:
		return fmt.Sprintf("the revocation list of %q in %s goes out of date on %s", e.List.Authority, e.File,
			date(e.List.Next))
	case e.List.Age == Overdue:
		return fmt.Sprintf("the revocation list of %q in %s is out of date since %s", e.List.Authority, e.File,
			date(e.List.Next))
	}
	return e.File + " has changed and is in use"
}

// A File is read again when it changes: Tickets, a CRL, an ECH, or one of Authorities. Only one goroutine may check it.
type File interface {
	// Check looks once, and reads the file again if it has changed. It reports whether there is an Event.
	Check() (Event, bool)
}

// Watch checks files at once and then twice a second, until ctx is done. It also calls each function that it receives
// from between, so that one goroutine alone uses the files. between may be nil.
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

// A watched is a file whose content is parsed as a T.
type watched[T any] struct {
	parse func(text []byte) (T, error)
	value atomic.Pointer[T] // of the last good file; any goroutine may read it

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

// check looks at the file once, and reads it again if it has changed, and as long as it is bad: a file's mode or a lack
// of descriptors may be mended without a change to the file. A file may be read half written. So a fault is reported
// only if it is still there at the next look at the same file.
func (w *watched[T]) check() (e Event, ok bool) {
	changed := w.file.Changed()
	if !changed && w.fault == nil {
		return e, false
	}
	if changed {
		w.told = false
	}
	if changed || w.file.Again() {
		w.fault = w.read()
	}
	if w.fault == nil {
		return Event{File: w.file.Path}, true
	}
	ok = !changed && !w.told
	w.told = w.told || ok
	return Event{File: w.file.Path, Err: w.fault}, ok
}
