package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// A fault is one thing that is wrong with a command line.
type fault struct {
	where string // the flag or variable; "" where err names it
	err   error  // what was found and what would be right
}

func (f *fault) Error() string {
	if f.where == "" {
		return f.err.Error()
	}
	return f.where + ": " + f.err.Error()
}

func (f *fault) Unwrap() error { return f.err }

// faults are all faults of a command line. The zero value has none.
type faults struct {
	all  *multierror.Error
	told map[string]bool // the texts of all
}

// add adds err, or each of its parts if it joins several. nil is no fault. The same text twice is one fault.
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

// partsOf returns the errors that err joins, by errors.Join or multierror; else err alone.
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

// lines returns err as an operator reads it: each of its parts on one line, after the program's name.
func lines(err error) string {
	var b strings.Builder
	for _, part := range partsOf(err) {
		fmt.Fprintf(&b, "forebay: %s\n", strings.ReplaceAll(part.Error(), "\n", " "))
	}
	return b.String()
}
