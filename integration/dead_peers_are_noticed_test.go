package integration

import (
	"testing"

	"forebay/l4/l4test"
)

// Peers that vanish without a word, as with a cable pulled, are noticed by --user-timeout when there is something for
// them, and by --keep-alive when there is not. The log tells which side it was, and what never arrived.
func TestDeadPeersAreNoticed(t *testing.T) {
	t.Parallel()
	limits := []string{"--user-timeout", "2s", "--keep-alive", "1s"}
	t.Run("client with bytes on their way", func(t *testing.T) {
		t.Parallel()
		gone := make(chan struct{})
		b := l4test.Serve(t, func(p *l4test.Peer) {
			p.Send("x")
			<-gone
			p.Send("lost").ExpectReset()
		})
		f := start(t, append(limits, b.Addr())...)
		l4test.Dial(t, f.Addr()).Expect("x").Vanish()
		close(gone)
		b.AwaitDone(1)
		e := f.Session()
		wantCause(t, e, "client-timeout")
		if e.ToClient != 5 || e.ClientUnacked != 4 {
			t.Errorf("to_client %d, client_unacked %d; want 5 and 4", e.ToClient, e.ClientUnacked)
		}
	})
	t.Run("silent client", func(t *testing.T) {
		t.Parallel()
		b := l4test.Serve(t, func(p *l4test.Peer) { p.Send("x").ExpectReset() })
		f := start(t, append(limits, b.Addr())...)
		l4test.Dial(t, f.Addr()).Expect("x").Vanish()
		b.AwaitDone(1)
		wantCause(t, f.Session(), "client-timeout")
	})
	t.Run("silent backend", func(t *testing.T) {
		t.Parallel()
		gone := make(chan struct{})
		b := l4test.Serve(t, func(p *l4test.Peer) {
			p.Send("x").AwaitAcked().Vanish()
			<-gone
		})
		f := start(t, append(limits, b.Addr())...)
		l4test.Dial(t, f.Addr()).Expect("x").ExpectReset()
		close(gone)
		e := f.Session()
		wantCause(t, e, "backend-timeout")
		if e.Total < 5 {
			t.Errorf("lasted %v s: limits of a backend's connection begin after 5", e.Total)
		}
	})
}
