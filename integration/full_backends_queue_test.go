package integration

import (
	"fmt"
	"testing"

	"forebay/l4/l4test"
)

// A backend gets no more sessions than its max-conns; full ones are skipped.
func TestFullBackendsAreSkipped(t *testing.T) {
	t.Parallel()
	one, two := l4test.Echo(t), l4test.Echo(t)
	f := start(t, one.Addr()+",max-conns=1", two.Addr()+",max-conns=3")
	for range 4 {
		l4test.Dial(t, f.Addr()).Send("x").Expect("x")
	}
	if one.Open() != 1 || two.Open() != 3 {
		t.Errorf("backends have %d and %d sessions, want 1 and 3", one.Open(), two.Open())
	}
}

// Where all are full clients wait, and are served in the order in which they came; one that leaves is not waited for.
func TestClientsQueueInOrder(t *testing.T) {
	t.Parallel()
	b := l4test.Banner(t, "hello")
	f := start(t, "--queue-timeout", "1m", "--log-empty", b.Addr()+",max-conns=1")
	serving := l4test.Dial(t, f.Addr()).Expect("hello")
	var waiting []*l4test.Peer
	for range 5 {
		before := f.Descriptors()
		waiting = append(waiting, l4test.Dial(t, f.Addr()))
		l4test.Await(t, patience, "the client is taken in", func() bool { return f.Descriptors() > before })
	}
	before := f.Descriptors()
	waiting[2].Reset()
	l4test.Await(t, patience, "the client is let go", func() bool { return f.Descriptors() < before })
	for i, next := range waiting {
		if i == 2 {
			continue
		}
		if next.Unread() > 0 || b.Open() != 1 {
			t.Errorf("client %d is served before its turn", i)
		}
		serving.CloseWrite().ReceiveAll()
		serving = next.Expect("hello").Send(fmt.Sprint(i)).Expect(fmt.Sprint(i))
	}
	serving.CloseWrite().ExpectEOF()
	left := 0
	for _, e := range f.Sessions(6) {
		switch e.Cause {
		case "client-left":
			left++
		case "client-closed":
		default:
			t.Errorf("session %d ended with cause %q", e.Session, e.Cause)
		}
	}
	if left != 1 {
		t.Errorf("%d clients left the queue, want 1", left)
	}
}

// A client that has sent its request and then reset has left, too.
func TestClientThatResetsLeavesTheQueue(t *testing.T) {
	t.Parallel()
	f := start(t, "--queue-timeout", "1m", "--log-empty", l4test.Echo(t).Addr()+",max-conns=1")
	serving := l4test.Dial(t, f.Addr()).Send("x").Expect("x")
	before := f.Descriptors()
	leaving := l4test.Dial(t, f.Addr()).Send("request")
	l4test.Await(t, patience, "the client is taken in", func() bool { return f.Descriptors() > before })
	leaving.Reset()
	l4test.Await(t, patience, "the client is let go", func() bool { return f.Descriptors() == before })
	wantCause(t, f.Session(), "client-left")
	serving.CloseWrite().ExpectEOF()
}

// Where the queue is full a client does not wait.
func TestFullQueueTakesNobody(t *testing.T) {
	t.Parallel()
	f := start(t, "--queue", "1", "--queue-timeout", "1m", "--log-empty", l4test.Echo(t).Addr()+",max-conns=1")
	serving := l4test.Dial(t, f.Addr()).Send("x").Expect("x")
	before := f.Descriptors()
	waiting := l4test.Dial(t, f.Addr()).Send("y")
	l4test.Await(t, patience, "the client is taken in", func() bool { return f.Descriptors() > before })
	l4test.Dial(t, f.Addr()).ExpectReset()
	wantCause(t, f.Session(), "queue-full")
	serving.CloseWrite().ExpectEOF()
	waiting.Expect("y").CloseWrite().ExpectEOF()
}

// A client waits no longer than the queue timeout.
func TestQueueTimeoutEndsWaiting(t *testing.T) {
	t.Parallel()
	f := start(t, "--queue-timeout", "300ms", "--log-empty", l4test.Echo(t).Addr()+",max-conns=1")
	serving := l4test.Dial(t, f.Addr()).Send("x").Expect("x")
	l4test.Dial(t, f.Addr()).ExpectReset()
	serving.Send("z").Expect("z")
	e := f.Session()
	wantCause(t, e, "queue-timeout")
	if e.Queue < 0.3 || e.Queue > 0.3+slack.Seconds() {
		t.Errorf("the client waited %v s, want little over 0.3", e.Queue)
	}
}
