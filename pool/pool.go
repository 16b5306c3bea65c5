// Package pool knows the backends: which exist, how much each carries, and which one the next session goes to.
package pool

import "sync"

// A Pool is a set of backends and the policy that picks among them.
type Pool struct {
	mu sync.Mutex // guards everything
}
