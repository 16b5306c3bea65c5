package l4

import (
	"os"

	"forebay/pool"
)

// A Listener is a listening, non-blocking stream socket that a Server accepts from. The Server owns it once Serve has
// been called, and closes it when it stops accepting.
type Listener struct {
	Name    string       // as the operator wrote it
	Address pool.Address // as bound
	File    *os.File
}
