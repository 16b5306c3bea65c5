package integration

import (
	"testing"

	"forebay/l4/l4test"
)

// Urgent data (RFC 9293, 3.8.5; RFC 6093 advises against it) does not harm the stream around it, either way: a receiver that does not ask for it sees
// what it would see without forebay. splice(2) stops at it and says would-block for ever, so that a direction that is spliced needs one ordinary read
// to get past. There is one urgent byte only, as the kernel makes an older one that was not fetched part of the stream.
func TestUrgentDataPassesBy(t *testing.T) {
	for _, c := range []struct {
		name string
		size int64
	}{
		{"copied", 100},
		{"spliced", 8 * mib},
	} {
		t.Run("client "+c.name, func(t *testing.T) {
			t.Parallel()
			b := l4test.Serve(t, func(p *l4test.Peer) { expectAround(p, c.size) })
			f := start(t, b.Addr())
			client := l4test.Dial(t, f.Addr())
			sendAround(client, c.size)
			client.ExpectEOF()
			b.AwaitDone(1)
		})
		t.Run("backend "+c.name, func(t *testing.T) {
			t.Parallel()
			b := l4test.Serve(t, func(p *l4test.Peer) { sendAround(p, c.size); p.ExpectEOF() })
			f := start(t, b.Addr())
			expectAround(l4test.Dial(t, f.Addr()), c.size)
			b.AwaitDone(1)
		})
	}
}

func sendAround(p *l4test.Peer, size int64) {
	p.SendContent(1, size).SendUrgent('!').SendContent(2, size).CloseWrite()
}

func expectAround(p *l4test.Peer, size int64) {
	p.ExpectContent(1, size).ExpectContent(2, size).ExpectEOF().CloseWrite()
}
