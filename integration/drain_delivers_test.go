package integration

import (
	"strings"
	"syscall"
	"testing"

	"forebay/l4/l4test"
)

// SIGTERM in the middle of 50 downloads: nobody new gets in, every byte of the old ones arrives, and the process ends
// with 0.
func TestDrainDelivers(t *testing.T) {
	t.Parallel()
	const clients, part, rest = 50, 64 << 10, 4 * mib
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.SendContent(1, part).Expect("more").SendContent(2, rest).CloseWrite().ExpectEOF()
	})
	f := start(t, b.Addr())
	var all []*l4test.Peer
	for range clients {
		all = append(all, l4test.Dial(t, f.Addr()).ExpectContent(1, part))
	}
	f.Signal(syscall.SIGTERM)
	awaitRefusal(t, f)
	for _, c := range all {
		c.Send("more")
	}
	for _, c := range all {
		c.ExpectContent(2, rest).ExpectEOF().CloseWrite()
	}
	b.AwaitDone(clients)
	if got := f.Wait(); got != 0 {
		t.Errorf("exit status %d, want 0", got)
	}
	for _, e := range f.Sessions(clients) {
		wantBytes(t, e, int64(len("more")), part+rest)
	}
}

// What is still open at the drain timeout is reset, and the status tells.
func TestDrainTimeoutCuts(t *testing.T) {
	t.Parallel()
	f := start(t, "--drain-timeout", "300ms", l4test.Echo(t).Addr())
	f.want = 1
	f.Allow("")
	client := l4test.Dial(t, f.Addr()).Send("x").Expect("x")
	f.Signal(syscall.SIGTERM)
	client.ExpectReset()
	if got := f.Wait(); got != 1 {
		t.Errorf("exit status %d, want 1", got)
	}
	wantCause(t, f.Session(), "drain-cut")
	f.Stderr.AwaitMatch(t, `\b1\b.*(session|cut)|(session|cut).*\b1\b`)
}

// A second signal does not wait.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	f := start(t, l4test.Echo(t).Addr())
	f.want = 1
	f.Allow("")
	client := l4test.Dial(t, f.Addr()).Send("x").Expect("x")
	f.Signal(syscall.SIGINT)
	awaitRefusal(t, f)
	client.Send("y").Expect("y") // the first signal ends no session
	l4test.Await(t, patience, "a signal that is no echo of the first stops at once", func() bool {
		f.send(syscall.SIGTERM)
		return strings.Contains(f.Stderr.String(), "stopping at once")
	})
	client.ExpectReset()
	f.Wait()
	wantCause(t, f.Session(), "stopped")
}

// Without sessions there is nothing to wait for, whatever the signal.
func TestIdleProcessStopsCleanly(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			f := start(t, l4test.Echo(t).Addr())
			f.Signal(sig)
			if got := f.Wait(); got != 0 {
				t.Errorf("exit status %d, want 0", got)
			}
		})
	}
}

// SIGHUP never ends the process, not even while it drains.
func TestHangupEndsNothing(t *testing.T) {
	t.Parallel()
	f := start(t, l4test.Echo(t).Addr())
	client := l4test.Dial(t, f.Addr()).Send("x").Expect("x")
	f.Signal(syscall.SIGHUP)
	client.Send("y").Expect("y")
	l4test.Dial(t, f.Addr()).Send("new").Expect("new").CloseWrite().ExpectEOF()
	f.Signal(syscall.SIGTERM)
	awaitRefusal(t, f)
	f.Signal(syscall.SIGHUP)
	client.Send("z").Expect("z").CloseWrite().ExpectEOF()
	if got := f.Wait(); got != 0 {
		t.Errorf("exit status %d, want 0", got)
	}
}

// awaitRefusal waits until forebay listens no more.
func awaitRefusal(t *testing.T, f *forebay) {
	t.Helper()
	l4test.Await(t, patience, "forebay refuses new clients", func() bool { return len(listening(f.pid())) == 0 })
	if p, err := l4test.TryDial(t, f.Addr()); err == nil {
		p.ExpectReset()
	}
}
