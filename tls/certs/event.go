package certs

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// A certificate is reported as Expiring for the last sixth of its life, and for two weeks at most. One for 90 days is
// usually renewed when a third of its life is left, and one for six days or an hour when half of it is left. So a
// report means that the renewal was missed, and there is still time to act.
const (
	shareOfLife   = 6
	longestNotice = 14 * 24 * time.Hour
)

// noticeOf returns how long before its end leaf is reported as Expiring.
func noticeOf(leaf *x509.Certificate) time.Duration {
	return min(leaf.NotAfter.Sub(leaf.NotBefore)/shareOfLife, longestNotice)
}

// A Kind is what has happened to a pair.
type Kind uint8

const (
	Renewed  Kind = iota + 1 // the files have changed, and new handshakes get what is in them
	Broken                   // the files have changed and are bad: the last good pair is still served
	Expiring                 // little of its life is left; reported again each day
	Expired                  // its life is over; reported again each day
)

// String returns the kind in a word.
func (k Kind) String() string {
	switch k {
	case Renewed:
		return "renewed"
	case Broken:
		return "broken"
	case Expiring:
		return "expiring"
	case Expired:
		return "expired"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// An Event is what has happened to a pair.
type Event struct {
	Kind     Kind
	Pair     Pair
	NotAfter time.Time // of the certificate that is served
	Err      error     // what is wrong with the files, if they are Broken
	Names    []string  // its names, if it is Renewed and its names have changed
	Lost     []string  // names of the one before that no certificate in the Store has now
}

// String returns the event as a sentence.
func (e Event) String() string {
	switch e.Kind {
	case Renewed:
		return fmt.Sprintf("certificate %s is renewed, valid until %s%s", e.Pair, date(e.NotAfter), e.change())
	case Broken:
		return fmt.Sprintf("certificate %s can't be renewed, the one valid until %s is kept: %v", e.Pair,
			date(e.NotAfter), e.Err)
	case Expiring:
		return fmt.Sprintf("certificate %s expires on %s", e.Pair, date(e.NotAfter))
	}
	return fmt.Sprintf("certificate %s expired on %s, and clients will refuse it", e.Pair, date(e.NotAfter))
}

// change says how the names of a renewed certificate differ from those before.
func (e Event) change() (text string) {
	if len(e.Names) > 0 {
		text = ", for " + strings.Join(e.Names, ", ")
	}
	if len(e.Lost) > 0 {
		text += ", and there is none any more for " + strings.Join(e.Lost, ", ")
	}
	return text
}
