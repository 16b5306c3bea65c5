package integration

import (
	"testing"

	"forebay/l4/l4test"
)

// What a session does when its backend dies, hangs or ends is the same over a network, where other events tell of it
// than over loopback.
func TestBackendsOnAnotherHost(t *testing.T) {
	t.Parallel()
	l4test.AgainOnTwoHosts(t, "Replayed|Hedge|ResetsAreMirrored|HalfClose|Flapping|DeadBackends|ServerMaySpeak|SingleBytes")
}
