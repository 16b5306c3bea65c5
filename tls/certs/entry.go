package certs

import (
	"crypto/tls"
	"os"
	"slices"
	"time"
)

// An entry is a pair, and what became of it.
type entry struct {
	pair        Pair
	read        reader
	certificate *tls.Certificate // the last good one
	loaded      time.Time
	files       stamps // when it was last tried to load
	fault       error  // what that came to
	told        bool   // whether the fault has been reported
	warned      time.Time
}

// stamps tell whether the files of a pair are still those that were read.
type stamps [2]os.FileInfo // nil: not there

// look returns the stamps of p's files as they are now. A link is followed: what counts is the file in the end.
func look(p Pair) (s stamps) {
	for i, file := range [...]string{p.Certificate, p.keyFile()} {
		if info, err := os.Stat(file); err == nil {
			s[i] = info
		}
	}
	return s
}

func (s stamps) same(t stamps) bool {
	for i := range s {
		if !sameFile(s[i], t[i]) {
			return false
		}
	}
	return true
}

// sameFile compares inode, size and time of change.
func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// begin loads e for the first time.
func (e *entry) begin(now time.Time) (err error) {
	e.files = look(e.pair)
	e.certificate, err = e.pair.load(e.read, now)
	e.loaded = now
	return err
}

// check loads e again if its files have changed, and as long as they are bad: what is wrong may go away without a change to them, as does a
// clock that is behind, a file's mode, or a lack of descriptors. It returns what there is to report. A pair is often written as two files,
// one after the other, so what is bad is reported only if it is still so at the next look at the same files.
func (e *entry) check(now time.Time) (events []Event) {
	files := look(e.pair)
	changed := !files.same(e.files)
	if changed {
		e.files, e.told = files, false
	}
	if changed || e.fault != nil {
		events = e.reload(now)
	}
	if !changed && e.fault != nil && !e.told {
		e.told = true
		events = append(events, e.event(Broken))
	}
	return append(events, e.warn(now)...)
}

// reload reads the files. What it tells as Lost is all that the certificate was for, if it is for others now.
func (e *entry) reload(now time.Time) []Event {
	c, err := e.pair.load(e.read, now)
	if e.fault = err; err != nil {
		return nil
	}
	before := namesOf(e.certificate.Leaf)
	e.certificate, e.loaded, e.warned = c, now, time.Time{}
	renewed := e.event(Renewed)
	if names := namesOf(c.Leaf); !slices.Equal(names, before) {
		renewed.Names, renewed.Lost = names, before
	}
	return []Event{renewed}
}

// warn reports once a day that the certificate is about to expire, or has.
func (e *entry) warn(now time.Time) []Event {
	left := e.certificate.Leaf.NotAfter.Sub(now)
	if left > Notice || !e.warned.IsZero() && now.Sub(e.warned) < 24*time.Hour {
		return nil
	}
	e.warned = now
	if left < 0 {
		return []Event{e.event(Expired)}
	}
	return []Event{e.event(Expiring)}
}

func (e *entry) event(k Kind) Event {
	return Event{Kind: k, Pair: e.pair, NotAfter: e.certificate.Leaf.NotAfter, Err: e.fault}
}
