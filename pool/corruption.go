package pool

import (
	"fmt"
	"runtime/debug"
)

// A Corruption is the value of a panic that came while a call changed what all sessions share. That state is half
// changed, and its mutex may be locked for ever. Who recovers from panics, to go on without the session that caused
// one, must not go on after a Corruption.
type Corruption struct {
	Bug   any    // the value of the first panic
	Stack []byte // where it came
}

// Error names the bug and its stack.
func (c Corruption) Error() string {
	return fmt.Sprintf("what all sessions share is half changed: %v\n\n%s", c.Bug, c.Stack)
}

// Corrupting makes a panic a Corruption. Every function that changes state that all sessions share defers it.
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
