package integration

import (
	"strings"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// One line tells all about a session.
func TestAccessLogTells(t *testing.T) {
	t.Parallel()
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.Expect("request")
		<-time.After(50 * time.Millisecond)
		p.Send("answer").ExpectEOF()
	})
	f := start(t, b.Addr())
	begun := time.Now()
	client := l4test.Dial(t, f.Addr()).Send("request").Expect("answer").CloseWrite().ExpectEOF()
	e := f.Session()
	wantCause(t, e, "client-closed")
	wantBytes(t, e, int64(len("request")), int64(len("answer")))
	if e.Client != client.Addr().String() || e.Backend != b.Addr() || e.Address != b.Addr() {
		t.Errorf("from %s to %s at %s, want %s and %s twice", e.Client, e.Backend, e.Address, client.Addr(), b.Addr())
	}
	if e.Time.Before(begun.Add(-time.Second)) || e.Time.After(time.Now().Add(time.Second)) {
		t.Errorf("began at %v, want about %v", e.Time, begun)
	}
	if e.FirstByte == nil || *e.FirstByte < 0.05 || e.Connect <= 0 || e.Connect+*e.FirstByte > e.Total {
		t.Errorf("connect %v, first byte %v, total %v: want little, over 0.05, and their sum or more", e.Connect, e.FirstByte, e.Total)
	}
	if e.ClientRTT <= 0 || e.BackendRTT <= 0 || e.ClientUnacked != 0 || e.BackendUnacked != 0 {
		t.Errorf("round trips %v and %v, unacknowledged %d and %d: want some, and none", e.ClientRTT, e.BackendRTT, e.ClientUnacked, e.BackendUnacked)
	}
}

// What the client never acknowledged is told, to the byte or more: here it left without reading.
func TestAccessLogTellsWhatWasNotDelivered(t *testing.T) {
	t.Parallel()
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.Conn().Write(make([]byte, mib)) // is cut off by the client's reset
	})
	f := start(t, b.Addr())
	client := l4test.DialNarrow(t, f.Addr(), 4<<10)
	awaitStandstill(t, client.Unread)
	client.Reset()
	e := f.Session()
	wantCause(t, e, "client-reset")
	if e.ClientUnacked <= 0 || e.ClientUnacked > e.FromBackend {
		t.Errorf("%d bytes of %d unacknowledged, want some", e.ClientUnacked, e.FromBackend)
	}
}

// A session without a byte, as a port scan makes, is logged only on request.
func TestEmptySessionsAreLoggedOnRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
		want int
	}{
		{"by default", nil, 1},
		{"with --log-empty", []string{"--log-empty"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := l4test.Echo(t)
			f := start(t, append(c.args, b.Addr())...)
			l4test.Dial(t, f.Addr()).CloseWrite().ExpectEOF().Close()
			l4test.Dial(t, f.Addr()).Send("x").Expect("x").CloseWrite().ExpectEOF().Close()
			b.AwaitDone(2)
			f.Signal(15)
			f.Wait()
			if got := len(f.Stdout.All()); got != c.want {
				t.Errorf("got %d lines, want %d:\n%s", got, c.want, f.Stdout)
			}
		})
	}
}

// The text form has the same fields.
func TestAccessLogAsText(t *testing.T) {
	t.Parallel()
	f := start(t, "--log", "text", l4test.Echo(t).Addr())
	l4test.Dial(t, f.Addr()).Send("x").Expect("x").CloseWrite().ExpectEOF()
	line := f.Stdout.AwaitMatch(t, "cause=")
	for _, want := range []string{"cause=client-closed", "from_client=1", "to_client=1", "client=127.0.0.1:", "tries="} {
		if !strings.Contains(line, want) {
			t.Errorf("%q has no %s", line, want)
		}
	}
}
