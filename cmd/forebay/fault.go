package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// A fault is one thing that is wrong with a command line.
type fault struct {
	where string // the flag or variable; "" where the text says it
	err   error  // what was found and what would be right
}

func (f *fault) Error() string {
	if f.where == "" {
		return f.err.Error()
	}
	return f.where + ": " + f.err.Error()
}

func (f *fault) Unwrap() error { return f.err }

// The faults of a command line, all of them. The zero faults are none.
type faults struct {
	all  *multierror.Error
	told map[string]bool // word for word
}

// add notes err, or each of its parts where it holds several; nil is no fault, and the same words twice are one.
func (f *faults) add(where string, err error) {
	for _, part := range partsOf(err) {
		one := &fault{where, part}
		if f.told[one.Error()] {
			continue
		}
		if f.told == nil {
			f.told = map[string]bool{}
		}
		f.told[one.Error()] = true
		f.all = multierror.Append(f.all, one)
	}
}

func (f *faults) addf(where, format string, args ...any) {
	f.add(where, fmt.Errorf(format, args...))
}

// err returns the faults as one error, nil if there are none.
func (f *faults) err() error { return f.all.ErrorOrNil() }

// partsOf takes an error that reports several apart: one of errors.Join, or of multierror.
func partsOf(err error) []error {
	if err == nil {
		return nil
	}
	if several, ok := err.(*multierror.Error); ok {
		return several.Errors
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(joined.Unwrap()...).Error() != err.Error() {
		return []error{err}
	}
	return joined.Unwrap()
}

// lines writes err for an operator, each of its parts on one line that begins with the program's name.
func lines(err error) string {
	var b strings.Builder
	for _, part := range partsOf(err) {
		fmt.Fprintf(&b, "forebay: %s\n", strings.ReplaceAll(part.Error(), "\n", " "))
	}
	return b.String()
}
