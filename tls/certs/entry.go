package certs

import (
	"crypto/tls"
	"slices"
	"time"
)

// An entry is a pair with its state.
type entry struct {
	*source
	serving *tls.Certificate // the last good one
	loaded  time.Time
	fault   error // of the last attempt to load it; nil: none
	told    bool  // whether the fault has been reported

	warnedOf Kind // what was last reported about the certificate's end
	warned   time.Time
}

// begin loads e for the first time.
func (e *entry) begin(now time.Time) (err error) {
	e.serving, err = e.load(now)
	e.loaded = now
	return err
}

// check loads e again if its files have changed, and as long as they are bad: a clock that was behind, a file's mode or
// a lack of descriptors may be mended without a change to the files. It returns what there is to report. A pair is
// often written as two files, one after the other. So a fault is reported only if it is still there at the next look at
// the same files.
func (e *entry) check(now time.Time) (events []Event) {
	changed := e.changed()
	if changed {
		e.told = false
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

// reload reads the files. If the names have changed, Lost holds all names of the certificate before: the caller removes
// those that others have.
func (e *entry) reload(now time.Time) []Event {
	c, err := e.load(now)
	if e.fault = err; err != nil {
		return nil
	}
	before := namesOf(e.serving.Leaf)
	e.serving, e.loaded, e.warnedOf = c, now, 0
	renewed := e.event(Renewed)
	if names := namesOf(c.Leaf); !slices.Equal(names, before) {
		renewed.Names, renewed.Lost = names, before
	}
	return []Event{renewed}
}

// warn reports that the certificate is about to expire, or has expired: at once, and then once a day.
func (e *entry) warn(now time.Time) []Event {
	what := Expiring
	switch left := e.serving.Leaf.NotAfter.Sub(now); {
	case left < 0:
		what = Expired
	case left > noticeOf(e.serving.Leaf):
		return nil
	}
	if e.warnedOf == what && now.Sub(e.warned) < 24*time.Hour {
		return nil
	}
	e.warnedOf, e.warned = what, now
	return []Event{e.event(what)}
}

func (e *entry) event(k Kind) Event {
	return Event{Kind: k, Pair: e.Pair, NotAfter: e.serving.Leaf.NotAfter, Err: e.fault}
}
