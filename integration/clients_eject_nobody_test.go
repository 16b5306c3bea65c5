package integration

import (
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A server that closes without a word on a request that is none is well, however many such requests a stranger sends,
// and whether or not others are answered meanwhile.
func TestStrangerEjectsNobody(t *testing.T) {
	t.Parallel()
	polite := func(end func(*l4test.Peer)) func(*l4test.Peer) {
		return func(p *l4test.Peer) {
			if b, _ := p.Conn().Read(make([]byte, 8)); b == 1 {
				p.Send("answer").CloseWrite().ReceiveAll()
				return
			}
			end(p)
		}
	}
	closes, resets := polite((*l4test.Peer).Close), polite((*l4test.Peer).Reset)
	f := start(t, "--check-interval", "200ms",
		l4test.Serve(t, closes).Addr(), l4test.Serve(t, closes).Addr(), l4test.Serve(t, resets).Addr(), l4test.Serve(t, resets).Addr())
	for i := range 200 {
		utter(t, f.Addr(), "poison!\n")
		if i%3 == 0 {
			l4test.Dial(t, f.Addr()).Send("?").Expect("answer").ExpectEOF().Close()
		}
	}
	f.Signal(syscall.SIGTERM)
	f.Wait()
	if said := f.Stderr.String(); strings.Contains(said, "ejected") || strings.Contains(said, "is down") {
		t.Errorf("a backend was taken out of use:\n%s", said)
	}
}

// Who forwards to a server that is gone accepts, and closes. A check by TCP is content with that; sessions are not, and
// one client is enough to find out.
func TestForwarderWithoutAServerIsFound(t *testing.T) {
	t.Parallel()
	forwarder := l4test.AcceptAndClose(t)
	f := start(t, "--check-interval", "200ms", forwarder.Addr(), l4test.Serve(t, answers("served")).Addr())
	f.Allow("a backend is (ejected|down)")
	told := make(chan string, 1)
	go func() {
		told <- f.Stderr.AwaitMatch(t, `"a backend is ejected","backend":"`+forwarder.Addr()+`"`)
	}()
	for found := false; !found; {
		utter(t, f.Addr(), "?")
		select {
		case line := <-told:
			found = true
			if !strings.Contains(line, `"by":"check"`) || !strings.Contains(line, "sessions in a row failed before the first byte") {
				t.Errorf("got %s", line)
			}
		default:
		}
	}
	for range 5 {
		l4test.Dial(t, f.Addr()).Send("?").Expect("served").ExpectEOF().Close()
	}
}

// utter says text on a connection of its own, and waits for its end, whichever that is.
func utter(t *testing.T, addr, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, text); err != nil {
		return // it was ended before it was heard
	}
	io.Copy(io.Discard, conn)
}
