package l4test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

const mib = 1 << 20

func TestEcho(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "unix:" + SocketPath(t)} {
		t.Run(addr, func(t *testing.T) {
			b := ServeAt(t, addr, EchoScript)
			p := Dial(t, b.Addr()).Send("hello").Expect("hello").SendEach("abc").Expect("abc").CloseWrite().ExpectEOF()
			p.Close()
			Await(t, stepLimit, "the connection's end", func() bool { return b.Open() == 0 })
			if b.Accepted() != 1 {
				t.Errorf("got %d accepted, want 1", b.Accepted())
			}
		})
	}
}

func TestContent(t *testing.T) {
	b := Source(t, 7, 3*mib+1)
	Dial(t, b.Addr()).ExpectContent(7, 3*mib+1).ExpectEOF()
}

func TestBothWaysAtOnce(t *testing.T) {
	both := func(p *Peer, out, in uint64) {
		wait := p.Beside(func(p *Peer) { p.SendContent(out, 8*mib).CloseWrite() })
		p.ExpectContent(in, 8*mib).ExpectEOF()
		wait()
	}
	b := Serve(t, func(p *Peer) { both(p, 1, 2) })
	both(Dial(t, b.Addr()), 2, 1)
	b.AwaitDone(1)
}

func TestBanner(t *testing.T) {
	Dial(t, Banner(t, "220 ready\r\n").Addr()).Expect("220 ready\r\n").Send("x").Expect("x")
}

func TestDyingDeliversAllThenResets(t *testing.T) {
	Dial(t, Dying(t, 1, mib).Addr()).ExpectContent(1, mib).ExpectReset()
}

func TestAcceptAndClose(t *testing.T) { Dial(t, AcceptAndClose(t).Addr()).ExpectEOF() }
func TestAcceptAndReset(t *testing.T) { Dial(t, AcceptAndReset(t).Addr()).ExpectReset() }

func TestRefused(t *testing.T) {
	if _, err := TryDial(t, Refused(t)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want %v", err, syscall.ECONNREFUSED)
	}
}

// A reserved address is no connection's port, refuses, and is there for a Backend, again and again.
func TestReservedAddress(t *testing.T) {
	for _, any := range []string{"127.0.0.1:0", "[::1]:0"} {
		addr := Reserve(t, any)
		var d net.Dialer
		d.LocalAddr, _ = net.ResolveTCPAddr("tcp", addr)
		if _, err := d.Dial("tcp", ServeAt(t, any, EchoScript).Addr()); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a connection from %s: got %v, want %v", addr, err, syscall.EADDRINUSE)
		}
		for range 2 {
			b := ServeAt(t, addr, EchoScript)
			Dial(t, addr).Send("x").Expect("x")
			b.Close()
			if _, err := TryDial(t, addr); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("connecting to %s: got %v, want %v", addr, err, syscall.ECONNREFUSED)
			}
		}
	}
}

func TestBlackHole(t *testing.T) {
	_, err := net.DialTimeout("tcp", BlackHole(t), 100*time.Millisecond)
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestStalled(t *testing.T) {
	b, resume := Stalled(t)
	p := Dial(t, b.Addr()).Send("unheard")
	Await(t, stepLimit, "the connection", func() bool { return b.Open() == 1 })
	if n := p.Unacked(); n > len("unheard") {
		t.Errorf("got %d bytes unacknowledged, want at most %d", n, len("unheard"))
	}
	resume()
	p.CloseWrite().ExpectEOF()
}

func TestUrgentDataIsNotInTheStream(t *testing.T) {
	Dial(t, Echo(t).Addr()).Send("ab").SendUrgent('!').Send("cd").Expect("abcd")
}

func TestResetAfterEOF(t *testing.T) {
	b := Serve(t, func(p *Peer) { p.CloseWrite().Expect("x").Reset() })
	Dial(t, b.Addr()).ExpectEOF().Send("x").ExpectResetAfterEOF()
}

func TestUnread(t *testing.T) {
	p := Dial(t, Banner(t, "12345").Addr())
	Await(t, stepLimit, "5 unread bytes", func() bool { return p.Unread() == 5 })
}

// A script that goes otherwise than it says must fail its test: here each failure is caught by a stand-in.
func TestStepsFail(t *testing.T) {
	eof, reset, text := AcceptAndClose(t), AcceptAndReset(t), Named(t, "text")
	for _, c := range []struct {
		name string
		step func(*Peer)
		addr string
		want string
	}{
		{"reset for FIN", func(p *Peer) { p.ExpectEOF() }, reset.Addr(), "want a FIN"},
		{"FIN for reset", (*Peer).ExpectReset, eof.Addr(), "want a reset"},
		{"FIN for reset in the end", func(p *Peer) { p.ExpectResetSoon() }, text.Addr(), "want a reset"},
		{"bytes for FIN", func(p *Peer) { p.ExpectEOF() }, text.Addr(), `got "text"`},
		{"other bytes", func(p *Peer) { p.Expect("TEXT") }, text.Addr(), `got "text", want "TEXT"`},
		{"too few bytes", func(p *Peer) { p.Expect("texts") }, text.Addr(), "unexpected EOF"},
		{"other content", func(p *Peer) { p.ExpectContent(1, 4) }, text.Addr(), "byte 0 of 4"},
		{"reset for all", func(p *Peer) { p.ReceiveAll() }, reset.Addr(), "want a FIN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := failure(t, c.addr, c.step); !strings.Contains(got, c.want) {
				t.Errorf("got failure %q, want one with %q", got, c.want)
			}
		})
	}
}

// failure returns how step fails on a connection to addr, or "" where it does not.
func failure(t *testing.T, addr string, step func(*Peer)) string {
	p, said := Dial(t, addr), make(chan string, 1)
	p.fail = func(format string, args ...any) {
		said <- fmt.Sprintf(format, args...)
		runtime.Goexit()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		step(p)
	}()
	<-done
	select {
	case got := <-said:
		return got
	default:
		return ""
	}
}

// TestWhatIsLeftBehindIsSeen holds descriptors and goroutines, and looks at what Main would. It holds more of them than
// tests before it may have under way still, which end meanwhile.
func TestWhatIsLeftBehindIsSeen(t *testing.T) {
	const more = 20
	before := holdings()
	for range more {
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	if after := holdings(); after.descriptors <= before.descriptors || after.within(before) {
		t.Errorf("%d descriptors more were not seen: %v, then %v", more, before, after)
	}
	release := make(chan struct{})
	defer close(release)
	for range more {
		go func() { <-release }()
	}
	if after := holdings(); after.goroutines <= before.goroutines {
		t.Errorf("%d goroutines more were not seen: %v, then %v", more, before, after)
	}
}

func TestAbruptBackendResetsWhomItHasNotSeen(t *testing.T) {
	seen := make(chan struct{})
	b := ServeAbruptAt(t, Refused(t), func(p *Peer) { <-seen })
	p := Dial(t, b.Addr())
	Await(t, stepLimit, "the connection is accepted", func() bool { return b.Open() == 1 })
	closed := make(chan struct{})
	go func() { b.Close(); close(closed) }()
	p.ExpectReset()
	close(seen)
	<-closed
}
