package certs

import (
	"slices"
	"time"
)

// A Snapshot is one pair at one moment, as plain values.
type Snapshot struct {
	Pair      Pair
	Names     []string // in lower case, sorted
	Kind      string   // of the key: "ECDSA P-256"
	Issuer    string
	Serial    string // in hexadecimal
	NotBefore time.Time
	NotAfter  time.Time
	Notice    time.Time // when it begins to be reported as Expiring
	Chain     int       // how many certificates are in the file: its own and the intermediate ones
	Loaded    time.Time // when it was read
	Default   bool      // it serves clients that give no name or an unknown one
	Shadowed  bool      // it is never served: others before it have its names and kind of key
	Fault     string    // what is wrong with the files, if they are bad now; "" otherwise
}

// Snapshot returns all pairs, in the order given. The caller must not change the names.
func (s *Store) Snapshot() []Snapshot { return slices.Clone(s.serving.Load().snapshots) }

func (e *entry) snapshot() Snapshot {
	leaf := e.serving.Leaf
	s := Snapshot{
		Pair:      e.Pair,
		Names:     namesOf(leaf),
		Kind:      kindOf(leaf),
		Issuer:    leaf.Issuer.String(),
		Serial:    leaf.SerialNumber.Text(16),
		NotBefore: leaf.NotBefore,
		NotAfter:  leaf.NotAfter,
		Notice:    leaf.NotAfter.Add(-noticeOf(leaf)),
		Chain:     len(e.serving.Certificate),
		Loaded:    e.loaded,
	}
	if e.fault != nil {
		s.Fault = e.fault.Error()
	}
	return s
}
