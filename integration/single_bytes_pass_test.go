package integration

import (
	"strings"
	"testing"

	"forebay/l4/l4test"
)

// One byte at a time goes through and comes back, answered each and then all in a row.
func TestSingleBytesPass(t *testing.T) {
	t.Parallel()
	const bytes = 2000
	f := start(t, l4test.Echo(t).Addr())
	client := l4test.Dial(t, f.Addr())
	for range bytes {
		client.Send("x").Expect("x")
	}
	client.SendEach(strings.Repeat("y", bytes)).Expect(strings.Repeat("y", bytes)).CloseWrite().ExpectEOF()
	wantBytes(t, f.Session(), 2*bytes, 2*bytes)
}
