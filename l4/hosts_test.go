package l4

import (
	"testing"

	"forebay/l4/l4test"
)

// A connection to another host is made and ends otherwise than one over loopback: what came of it is told by events,
// and those may tell of all that has happened at once. So what has to do with how connections are made and ended is
// tested over both.
func TestAcrossHosts(t *testing.T) {
	l4test.AgainOnTwoHosts(t, "Replay|Died|Hedg|Tries|IsKept|Urgent|AfterEOF|ResetAfter|HalfClose|Truncat|AModel")
}
