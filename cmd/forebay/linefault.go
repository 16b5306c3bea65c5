package main

import (
	"errors"
	"fmt"
)

// lineFaults are the faults of a file's lines. Only the first few are reported. A file that not every user may read is
// never quoted: the path may lead to another file than was meant, such as the one with the passwords.
type lineFaults struct {
	path     string
	quotable bool
	right    string // what a line should be
	all      []error
	more     int
}

const (
	// mostTold is how many faulty lines are reported. mostUnquoted is the same for a file that is not quoted.
	mostTold     = 10
	mostUnquoted = 3
	// longestLine is more bytes than any valid line has.
	longestLine = 512
)

// add adds the fault of line n; nil is no fault.
func (f *lineFaults) add(n int, err error) {
	switch told := len(f.all); {
	case err == nil:
		return
	case told == mostTold || !f.quotable && told == mostUnquoted:
		f.more++
		return
	case !f.quotable:
		err = fmt.Errorf("it is not %s; it is not quoted, as not everybody may read the file", f.right)
	}
	f.all = append(f.all, fmt.Errorf("%s: line %d: %w", f.path, n, err))
}

// err returns all faults as one error, nil if there are none.
func (f *lineFaults) err() error {
	if f.more > 0 {
		last := &f.all[len(f.all)-1]
		*last = fmt.Errorf("%w (and %d more)", *last, f.more)
	}
	return errors.Join(f.all...)
}

// tooLong refuses a line that is too long to be quoted.
func tooLong(line []byte) error {
	if len(line) > longestLine {
		return fmt.Errorf("it has %d bytes; write at most %d", len(line), longestLine)
	}
	return nil
}
