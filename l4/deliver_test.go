package l4

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// What the kernel says of a peer that it has given up depends on the last word of the network between; it is a timeout
// all the same.
func TestCauseOfLoss(t *testing.T) {
	for errno, want := range map[syscall.Errno]Cause{
		unix.ECONNRESET:   ClientReset,
		unix.EPIPE:        ClientReset,
		unix.ECONNABORTED: ClientReset,
		unix.ETIMEDOUT:    ClientTimeout,
		unix.EHOSTUNREACH: ClientTimeout,
		unix.ENETUNREACH:  ClientTimeout,
		unix.EHOSTDOWN:    ClientTimeout,
		unix.ECONNREFUSED: ClientTimeout,
		unix.EACCES:       ClientTimeout,
		faultTruncated:    ClientTruncated,
		faultTLS:          ClientTLSFault,
	} {
		got := causeOfLoss(&side{fault: uint16(errno)}, ClientReset, ClientTimeout, ClientTruncated, ClientTLSFault)
		if got != want {
			t.Errorf("%v: got %v, want %v", errno, got, want)
		}
	}
}
