package main

import (
	"errors"
	"fmt"
)

// lineFaults is what is wrong with the lines of a file. Little of it is told, and nothing of what is in a file that not
// everybody may read: the path may lead to another than was meant, as to the one that has the passwords.
type lineFaults struct {
	path     string
	quotable bool
	right    string // what a line is to be
	all      []error
	more     int
}

const (
	// mostTold is of how many lines is told what is wrong with them, and mostUnquoted of how many that is not said of.
	mostTold     = 10
	mostUnquoted = 3
	// longestLine is more than anything takes that a line may hold.
	longestLine = 512
)

// add notes that line n is faulty; nil is no fault.
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

// tooLong refuses a line that would be quoted at length.
func tooLong(line []byte) error {
	if len(line) > longestLine {
		return fmt.Errorf("it has %d bytes; write at most %d", len(line), longestLine)
	}
	return nil
}
