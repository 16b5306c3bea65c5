package pool

import (
	"fmt"
	"runtime/debug"
)

// A Corruption is what a call panics with that was stopped by a bug while it changed what all sessions share: the state
// is half changed and its mutex may be locked for ever. Whoever recovers from panics, to go on without the session that
// brought one about, must not go on after this one.
type Corruption struct {
	Bug   any    // what the call had panicked with
	Stack []byte // where
}

// Error tells of the bug and of where it was.
func (c Corruption) Error() string {
	return fmt.Sprintf("what all sessions share is half changed: %v\n\n%s", c.Bug, c.Stack)
}

// Corrupting is deferred by what changes state that all sessions share, and makes a Corruption of a panic there.
func Corrupting() {
	if bug := recover(); bug != nil {
		panic(corruption(bug))
	}
}

func corruption(bug any) Corruption {
	if c, known := bug.(Corruption); known {
		return c
	}
	return Corruption{Bug: bug, Stack: debug.Stack()}
}
