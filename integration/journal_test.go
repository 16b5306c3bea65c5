package integration

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// An entry is one line of the access log. A field that was null is zero; First tells them apart where that matters.
type entry struct {
	Session    uint64
	Time       time.Time
	Cause      string
	Fault      string
	Listener   string
	Client     string
	Via        string
	Local      string
	Backend    string
	Address    string
	Tries      []try
	Queue      float64 // seconds
	Connect    float64
	FirstByte  *float64 `json:"first_byte"`
	Total      float64
	FromClient int64 `json:"from_client"`
	ToBackend  int64 `json:"to_backend"`

	FromBackend    int64   `json:"from_backend"`
	ToClient       int64   `json:"to_client"`
	ClientRTT      float64 `json:"client_rtt"`
	ClientUnacked  int64   `json:"client_unacked"`
	BackendRTT     float64 `json:"backend_rtt"`
	BackendUnacked int64   `json:"backend_unacked"`
	UniqueID       string  `json:"unique_id"`

	Route      string
	ServerName string `json:"server_name"`
	ClientTLS  spoken `json:"client_tls"`
	BackendTLS spoken `json:"backend_tls"`

	Lost int64 // not a session: how many lines are missing
}

// A try is one attempt to connect.
type try struct {
	Backend string
	Address string
	Result  string
	Took    float64 // seconds
	Fault   string
}

// A spoken is what TLS was spoken with one side.
type spoken struct {
	Version   string
	Cipher    string
	ALPN      string
	Resumed   bool
	ECH       bool
	Subject   string
	Handshake float64 // seconds
	Fault     string
}

// Sessions returns the first n sessions of the access log in the order in which they ended, waiting for them.
func (f *forebay) Sessions(n int) []entry {
	f.t.Helper()
	lines := f.Stdout.AwaitCount(f.t, n)
	entries := make([]entry, n)
	for i, line := range lines {
		entries[i] = parse(f.t, line)
	}
	return entries
}

// Session returns the only session so far.
func (f *forebay) Session() entry {
	f.t.Helper()
	return f.Sessions(1)[0]
}

func parse(t testing.TB, line string) entry {
	t.Helper()
	var e entry
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatalf("access log: %v in %q", err, line)
	}
	if e.Lost > 0 {
		t.Fatalf("access log: %d lines were lost", e.Lost)
	}
	return e
}

// results returns how each try went.
func (e entry) results() []string {
	var all []string
	for _, t := range e.Tries {
		all = append(all, t.Result)
	}
	return all
}

// wantCause fails unless e ended so.
func wantCause(t testing.TB, e entry, want string) {
	t.Helper()
	if e.Cause != want {
		t.Errorf("session %d ended with cause %q, want %q: %+v", e.Session, e.Cause, want, e)
	}
}

// wantBytes fails unless e carried so many bytes and delivered them all.
func wantBytes(t testing.TB, e entry, fromClient, fromBackend int64) {
	t.Helper()
	if e.FromClient != fromClient || e.ToBackend != fromClient || e.FromBackend != fromBackend || e.ToClient != fromBackend {
		t.Errorf("session %d: client %d → backend %d, backend %d → client %d; want %d and %d both ways",
			e.Session, e.FromClient, e.ToBackend, e.FromBackend, e.ToClient, fromClient, fromBackend)
	}
}

// A transition is what the log of the process tells of a backend.
type transition struct {
	Time    time.Time
	Backend string
	To      string
	By      string
	Why     string
	Hold    string // a time.Duration
}

// transitions returns what has been logged about a backend.
func (f *forebay) transitions(t testing.TB, backend string) (all []transition) {
	t.Helper()
	for _, line := range f.Stderr.All() {
		if !strings.Contains(line, `"backend":"`+backend+`"`) {
			continue
		}
		var tr transition
		if err := json.Unmarshal([]byte(line), &tr); err != nil {
			t.Fatalf("log: %v in %q", err, line)
		}
		all = append(all, tr)
	}
	return all
}

// stateOf returns the state of a backend that was logged last, "" where nothing was: it is what it was at first.
func (f *forebay) stateOf(t testing.TB, backend string) string {
	t.Helper()
	all := f.transitions(t, backend)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1].To
}
