package integration

import (
	"io"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// Urgent data (RFC 9293, 3.8.5; RFC 6093 advises against it) does not harm the stream around it, either way: a receiver
// that does not ask for it sees what it would see without forebay, and one that does gets it. Streams begin as copies
// and go on by splice(2), which stops at a mark and says that the stream has ended where it has not.
func TestUrgentDataPassesBy(t *testing.T) {
	t.Parallel()
	begin := uint64(time.Now().UnixNano())
	for i, how := range []l4test.Reading{l4test.Plainly, l4test.OutOfLine, l4test.InLine} {
		t.Run(how.String(), func(t *testing.T) {
			t.Parallel()
			for round := range uint64(10) {
				m := l4test.RandomMarked(begin+uint64(i)<<8+round, 8*mib)
				b := l4test.ServeReading(t, how, func(p *l4test.Peer) {
					expectMarked(t, m, how, p.ReceiveMarked(how))
					p.SendMarked(m).CloseWrite()
				})
				client := l4test.DialReading(t, start(t, b.Addr()).Addr(), how)
				client.SendMarked(m).CloseWrite()
				expectMarked(t, m, how, client.ReceiveMarked(how))
				b.AwaitDone(1)
				if t.Failed() {
					t.Fatalf("with RandomMarked(%d, 8*mib)", begin+uint64(i)<<8+round)
				}
			}
		})
	}
}

func expectMarked(t *testing.T, m *l4test.Marked, how l4test.Reading, h *l4test.Heard) {
	t.Helper()
	if err := m.Check(how, h); err != nil || h.End != io.EOF {
		t.Errorf("%v; the stream ended by %v", err, h.End)
	}
}
