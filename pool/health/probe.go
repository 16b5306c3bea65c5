package health

import (
	"context"
	"time"
)

// A Probe asks a backend once whether it is up. Probes keep nothing between calls and may be used by any number of
// goroutines at once.
type Probe interface {
	// Probe asks target and returns the result, at the latest when ctx is done. ctx's deadline is how long an answer
	// may take. Whatever Probe opened is closed when it returns. If ctx was cancelled, Err says so (errors.Is
	// context.Canceled), which says nothing about the backend.
	Probe(ctx context.Context, target Target) Result
}

// A Target is where a probe of a backend goes.
type Target struct {
	Network string // "tcp" or "unix", as net.Dial takes it
	Address string // "192.0.2.1:80" or a path, as net.Dial takes it
	// Name is the host as the operator wrote it, without port. TLS and HTTP call the server by it. "": the host of
	// Address.
	Name string
}

// A Result is the outcome of one Probe.
type Result struct {
	Err        error         // nil: up; else what was found instead of what is right
	Took       time.Duration // from the first packet to the verdict; the end of the connection does not count
	Transcript string        // what was sent and what came back, printable and short (at most 1 KiB); for the history
}
