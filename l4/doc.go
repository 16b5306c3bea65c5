// Package l4 is the data plane: one session from accept to close.
package l4

// serverState is what a Server keeps while it serves.
type serverState struct{}
