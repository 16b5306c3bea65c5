package integration

import (
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// name makes one session and wants to hear the name from the backend.
func (f *forebay) name(t *testing.T, want string) {
	t.Helper()
	l4test.Dial(t, f.Addr()).Expect(want).ExpectEOF().Close()
}

// heard returns all that is said to a client that says nothing.
func heard(t *testing.T, addr string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// named is a server that says its name.
func named(name string) func(*l4test.Peer) {
	return func(p *l4test.Peer) { p.Send(name).CloseWrite().ReceiveAll() }
}

// Checks notice that a backend has died before any client does, and that it is back.
func TestChecksNoticeBeforeClients(t *testing.T) {
	t.Parallel()
	first := l4test.Named(t, "first")
	f := start(t, "--policy", "first", "--check-interval", "100ms", "--eject-waiting", "0", "--slow-start", "0", first.Addr(), l4test.Named(t, "second").Addr())
	f.Allow("a backend is down")
	f.name(t, "first")
	first.Close()
	f.Stderr.AwaitMatch(t, `"a backend is down".*checks in a row failed.*connection refused`)
	f.name(t, "second")
	l4test.ServeAt(t, first.Addr(), named("again"))
	awaitUp(t, f, first.Addr())
	f.name(t, "again")
	for _, e := range f.Sessions(3) {
		if got := e.results(); !slices.Equal(got, []string{"connected"}) {
			t.Errorf("session %d tried with results %v, want connected at once", e.Session, got)
		}
	}
}

// A backend that is down at the start is known to be at once, and no client has to find out.
func TestFirstCheckDecides(t *testing.T) {
	t.Parallel()
	f := start(t, "--policy", "first", "--check-interval", "1m", l4test.Refused(t), l4test.Named(t, "alive").Addr())
	f.Allow("a backend is down")
	f.Stderr.AwaitMatch(t, `"a backend is down".*a check failed`)
	f.name(t, "alive")
	if got := f.Session().results(); !slices.Equal(got, []string{"connected"}) {
		t.Errorf("tried with results %v, want connected at once", got)
	}
}

// Without checks traffic is the witness: after so many failures in a row nobody is sent to the backend, and after the
// hold one is.
func TestTrafficEjects(t *testing.T) {
	t.Parallel()
	dead := l4test.Refused(t)
	f := start(t, "--policy", "first", "--check", "off", "--eject-after", "3", "--eject-hold", "5s", "--slow-start", "0", dead, l4test.Named(t, "alive").Addr())
	f.Allow("a backend is ejected")
	for range 10 {
		f.name(t, "alive")
	}
	refused := 0
	for _, e := range f.Sessions(10) {
		if len(e.Tries) == 2 {
			refused++
		}
	}
	if refused != 3 {
		t.Errorf("%d of 10 sessions tried the dead backend, want 3", refused)
	}
	l4test.ServeAt(t, dead, named("risen"))
	l4test.Await(t, patience, "a session that is sent to the backend again", func() bool { return heard(t, f.Addr()) == "risen" })
	f.name(t, "risen")
	f.Stderr.AwaitMatch(t, "the session that tried it was connected")
}

// A server that stands still takes connections all the same, its kernel does. A check that wants an answer notices;
// clients that come after that wait for nobody.
func TestStoppedServerIsNoticed(t *testing.T) {
	t.Parallel()
	curl := need(t, "curl")
	port := freePort(t)
	stopped := serve(t, local(port), gunicorn(t, port))
	other := freePort(t)
	serve(t, local(other), gunicorn(t, other))
	f := start(t, "--check", "http:///", "--check-interval", "200ms", "--check-timeout", "1s", "--slow-start", "0", local(port), local(other))
	f.Allow("a backend is (down|ejected)") // its queue stands, too
	stopped.Signal(syscall.SIGSTOP)
	f.Stderr.AwaitMatch(t, `"a backend is down","backend":"`+local(port)+`".*no answer in time`)
	for range 20 {
		output(t, exec.Command(curl, "-sS", "--fail", "--max-time", "20", "http://"+f.Addr()+"/"))
	}
	for _, e := range f.Sessions(20) {
		if e.Backend != local(other) {
			t.Errorf("session %d went to %s, which stands still", e.Session, e.Backend)
		}
	}
	stopped.Signal(syscall.SIGCONT)
	awaitUp(t, f, local(port))
}

// With no flag at all: the kernel of this machine tells that a server stands still, though checks by TCP pass, and that
// one has gone, before a check has found it. Clients that come after that wait for nobody.
func TestStuckServerIsSeenInItsQueue(t *testing.T) {
	t.Parallel()
	ports := []int{freePort(t), freePort(t)}
	stuck := serve(t, local(ports[0]), gunicorn(t, ports[0]))
	serve(t, local(ports[1]), gunicorn(t, ports[1]))
	f := start(t, "--slow-start", "0", local(ports[0]), local(ports[1]))
	f.Allow("a backend is (down|ejected)")
	stuck.Signal(syscall.SIGSTOP)
	waiting := l4test.Dial(t, f.Addr()).Send("GET / HTTP/1.0\r\n\r\n")
	other := l4test.Dial(t, f.Addr()).Send("GET / HTTP/1.0\r\n\r\n")
	f.Stderr.AwaitMatch(t, `"a backend is ejected","backend":"`+local(ports[0])+`".*"by":"listener".*clients wait`)
	for range 10 {
		get(t, f.Addr())
	}
	stuck.Signal(syscall.SIGCONT)
	awaitUp(t, f, local(ports[0]))
	for _, p := range []*l4test.Peer{waiting, other} {
		if got := string(p.ReceiveAll()); !strings.HasPrefix(got, "HTTP/1.0 200") {
			t.Errorf("a client got %q, want the answer that it waited for", got)
		}
	}
	stuck.Signal(syscall.SIGKILL)
	f.Stderr.AwaitMatch(t, `"a backend is down","backend":"`+local(ports[0])+`".*"by":"listener".*nothing listens`)
	get(t, f.Addr())
}

// All of ten are down, and back: with try, clients are served by what is there before checks have seen it; with refuse,
// as soon as they have.
func TestAllDownAndBack(t *testing.T) {
	t.Parallel()
	for _, do := range []string{"try", "refuse"} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			args := []string{"--when-all-down", do, "--check-interval", "200ms"}
			var backends []*l4test.Backend
			for range 10 {
				backends = append(backends, l4test.Named(t, "b"))
				args = append(args, backends[len(backends)-1].Addr())
			}
			f := start(t, args...)
			f.Allow("a backend is (down|ejected)|no backend is up")
			f.name(t, "b")
			for _, b := range backends {
				b.Close()
			}
			for _, b := range backends {
				f.Stderr.AwaitMatch(t, `"a backend is down","backend":"`+b.Addr()+`"`)
			}
			f.Stderr.AwaitMatch(t, `"no backend is up".*"when_all_down":"`+do)
			l4test.Dial(t, f.Addr()).ExpectReset()
			cause := map[string]string{"try": "connect-failed", "refuse": "no-backend"}[do]
			wantCause(t, f.Sessions(2)[1], cause)
			for _, b := range backends {
				l4test.ServeAt(t, b.Addr(), named("back"))
			}
			if do == "try" {
				f.name(t, "back")
			}
			for _, b := range backends {
				awaitUp(t, f, b.Addr())
			}
			for range 20 {
				f.name(t, "back")
			}
		})
	}
}
