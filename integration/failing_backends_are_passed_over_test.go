package integration

import (
	"slices"
	"testing"

	"forebay/l4/l4test"
)

// A client notices nothing of a backend that refuses, and waits under a millisecond more, if the machine has time.
func TestRefusingBackendIsPassedOver(t *testing.T) {
	t.Parallel()
	const clients = 20
	f := start(t, unwatched("--policy", "first", l4test.Refused(t), l4test.Named(t, "alive").Addr())...)
	for range clients {
		l4test.Dial(t, f.Addr()).Expect("alive").ExpectEOF().Close()
	}
	var took []float64
	for _, e := range f.Sessions(clients) {
		if got, want := e.results(), []string{"refused", "connected"}; !slices.Equal(got, want) {
			t.Errorf("session %d tried with results %v, want %v", e.Session, got, want)
		}
		took = append(took, e.Tries[0].Took)
	}
	slices.Sort(took)
	if took[clients/4] >= 0.001 {
		t.Errorf("the faster refusals took up to %.6f s, want under 0.001", took[clients/4])
	}
}

// A backend that does not answer costs one connect timeout.
func TestBlackHoleCostsOneConnectTimeout(t *testing.T) {
	t.Parallel()
	f := start(t, unwatched("--policy", "first", "--connect-timeout", "200ms", "--connect-budget", "1m", // a machine that stalls has time for both
		l4test.BlackHole(t), l4test.Named(t, "alive").Addr())...)
	l4test.Dial(t, f.Addr()).Expect("alive").ExpectEOF().Close()
	e := f.Session()
	if got, want := e.results(), []string{"timeout", "connected"}; !slices.Equal(got, want) {
		t.Errorf("tried with results %v, want %v", got, want)
	}
	if e.Tries[0].Took < 0.2 || e.Connect < 0.2 || e.Connect > 0.2+slack.Seconds() {
		t.Errorf("connecting took %v s, want little over 0.2", e.Connect)
	}
}

// Where every try fails the client is reset, after as many different backends as --tries says.
func TestClientIsResetWhereAllBackendsFail(t *testing.T) {
	t.Parallel()
	f := start(t, unwatched("--tries", "2", l4test.Refused(t), l4test.Refused(t), l4test.Refused(t))...)
	f.Allow("refused")
	l4test.Dial(t, f.Addr()).ExpectReset()
	l4test.Dial(t, f.Addr()).ExpectReset()
	for _, e := range f.Sessions(2) {
		wantCause(t, e, "connect-failed")
		if len(e.Tries) != 2 || e.Tries[0].Backend == e.Tries[1].Backend {
			t.Errorf("session %d tried %+v, want two different backends", e.Session, e.Tries)
		}
	}
}

// What a backend does after it has accepted is the session's end, told as it was.
func TestBackendThatEndsSessionsIsMirrored(t *testing.T) {
	t.Parallel()
	t.Run("closes", func(t *testing.T) {
		t.Parallel()
		f := start(t, "--log-empty", l4test.AcceptAndClose(t).Addr())
		l4test.Dial(t, f.Addr()).ExpectEOF().Close()
		wantCause(t, f.Session(), "backend-closed")
	})
	t.Run("resets", func(t *testing.T) {
		t.Parallel()
		f := start(t, "--log-empty", l4test.AcceptAndReset(t).Addr())
		l4test.Dial(t, f.Addr()).ExpectReset()
		f.Session() // its cause is either connect-failed or backend-reset: the reset may come before or after the connection is seen
	})
}

// A backend that comes back is used again, without anybody's help; here by the first session, since nobody watches it.
func TestReturningBackendServesAgain(t *testing.T) {
	t.Parallel()
	b := l4test.Named(t, "first")
	f := start(t, unwatched("--policy", "first", b.Addr(), l4test.Named(t, "second").Addr())...)
	name := func(want string) {
		t.Helper()
		l4test.Dial(t, f.Addr()).Expect(want).ExpectEOF().Close()
	}
	name("first")
	b.Close()
	name("second")
	again := l4test.ServeAt(t, b.Addr(), func(p *l4test.Peer) { p.Send("again").CloseWrite().ReceiveAll() })
	name("again")
	again.AwaitDone(1)
}
