package pool

import (
	"fmt"
	"slices"
	"time"
)

// A State is a backend's operational state: what checks and traffic have found. It does not say whether the backend is
// configured, nor whether the operator has it drain.
type State uint8

// The states, the better before the worse.
const (
	Up      State = iota // it serves
	Ejected              // traffic or the kernel's queue spoke against it; it gets no sessions unless no other is up
	Down                 // a witness other than traffic says that it does not serve
	stateCount
)

var stateNames = [stateCount]string{Up: "up", Ejected: "ejected", Down: "down"}

// String returns the name that logs and metrics use.
func (s State) String() string {
	if s < stateCount {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText returns the name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Witness is a source of what is known about a backend's state.
type Witness uint8

// The witnesses. Each but Traffic and Latency may call a backend down. The backend is up when none does.
const (
	Start    Witness = iota // the configuration, of a backend that nobody has seen yet
	Check                   // active checks
	Listener                // the kernel, of a listening socket on this host
	Traffic                 // the outcomes of sessions
	Latency                 // the times of sessions
	witnessCount
)

var witnessNames = [witnessCount]string{Start: "start", Check: "check", Listener: "listener", Traffic: "traffic",
	Latency: "latency"}

// String returns the name that logs use.
func (w Witness) String() string {
	if w < witnessCount {
		return witnessNames[w]
	}
	return fmt.Sprintf("witness(%d)", uint8(w))
}

// MarshalText returns the name.
func (w Witness) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// Evidence is why a backend's state changed.
type Evidence struct {
	Witness    Witness
	Reason     string        // in one line, such as "3 checks in a row failed: connection refused"
	Took       time.Duration // how long the last check or try took; 0: not known
	Transcript string        // what the last check sent and received; "" where there is none
}

// A Transition is one change of a backend's state. One from Ejected to Ejected means that its trial failed.
type Transition struct {
	At       time.Time
	From, To State
	Until    time.Time // when an ejected backend is tried again; else zero
	Evidence
}

// historyLength is how many transitions of a backend are kept. They cost little: some 200 bytes each, and few backends
// ever change. A backend that flaps every few seconds still shows the last minutes.
const historyLength = 50

// recordLocked adds t to b's history. Its callers hold the pool's mutex. Readers keep the old slice, which is not
// changed.
func (b *Backend) recordLocked(t Transition) {
	var past []Transition
	if h := b.history.Load(); h != nil {
		past = *h
	}
	past = append(slices.Clone(past[max(0, len(past)-historyLength+1):]), t)
	b.history.Store(&past)
}

// State returns b's operational state.
func (b *Backend) State() State { return State(b.state.Load()) }

// History returns the last transitions of b's state, the oldest first, 50 at most; nil if it never changed. The caller
// must not change it.
func (b *Backend) History() []Transition {
	if h := b.history.Load(); h != nil {
		return *h
	}
	return nil
}
