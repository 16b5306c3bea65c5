package health

import (
	"context"
	"time"
)

// A Probe asks a backend once whether it is up. Probes keep nothing between calls and may be used by any number of
// goroutines at once.
type Probe interface {
	// Probe asks target and returns what came of it, at the latest when ctx is done: how long an answer may take is
	// ctx's deadline. Whatever it opened is closed by then. A probe of which ctx was cancelled says so in Err
	// (errors.Is context.Canceled): that is no word about the backend.
	Probe(ctx context.Context, target Target) Result
}

// A Target is where a probe goes, as far as the backend decides it.
type Target struct {
	Network string // "tcp" or "unix", as net.Dial takes it
	Address string // "192.0.2.1:80" or a path, as net.Dial takes it
	// Name is the host as the operator wrote it, without port. TLS and HTTP call the server by it. "": the host of
	// Address.
	Name string
}

// A Result is what came of one Probe.
type Result struct {
	Err        error         // nil: up; else what was found instead of what is right
	Took       time.Duration // from the first packet to the verdict, without the leave-taking
	Transcript string        // what was sent and what came back, printable and short (at most 1 KiB); for the history
}
