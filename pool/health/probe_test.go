package health

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// patience is for what must come; enough for a machine that has much else to do.
const patience = 20 * time.Second

// ask asks at addr, with patience.
func ask(t testing.TB, p Probe, addr string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return p.Probe(ctx, target(addr))
}

// target turns an address as an operator writes it into a Target.
func target(addr string) Target {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return Target{Network: "unix", Address: path}
	}
	return Target{Network: "tcp", Address: addr}
}

// wantUp fails unless r says that the server is up.
func wantUp(t testing.TB, r Result) {
	t.Helper()
	if r.Err != nil {
		t.Errorf("got %v (%s), want up", r.Err, r.Transcript)
	}
	if r.Took <= 0 || r.Took > patience {
		t.Errorf("took %v", r.Took)
	}
}

// wantDown fails unless r says so, and with every one of the words.
func wantDown(t testing.TB, r Result, words ...string) {
	t.Helper()
	if r.Err == nil {
		t.Errorf("got up (%s), want an error that has %q", r.Transcript, words)
		return
	}
	for _, word := range words {
		if !strings.Contains(r.Err.Error(), word) {
			t.Errorf("got %q, want %q in it", r.Err, word)
		}
	}
}

// everyProbe returns a probe of each kind that speaks over connections of d.
func everyProbe(d Dialer) map[string]Probe {
	return map[string]Probe{
		"tls": TLS{d}, "http": HTTP{Dialer: d}, "https": HTTP{Dialer: d, Secure: true}, "redis": Redis{Dialer: d}, "smtp": SMTP{Dialer: d},
		"postgres": Postgres{Dialer: d}, "postgres with user": Postgres{Dialer: d, User: "u"}, "mysql": MySQL{Dialer: d},
		"script": Script{Dialer: d, Steps: []Step{{Expect: []byte("hello")}}},
	}
}

// A server that accepts and says nothing, or nothing sensible, or goes away, is down for every probe that wants an
// answer.
func TestUselessServersAreDown(t *testing.T) {
	servers := map[string]struct {
		script func(*l4test.Peer)
		says   string
	}{
		"closes":          {func(*l4test.Peer) {}, "the server "}, // closed or reset the connection: what was sent to it decides
		"resets":          {(*l4test.Peer).Reset, "the server "},
		"talks nonsense":  {func(p *l4test.Peer) { p.Send("\xfe\xfenonsense\n"); l4test.EchoScript(p) }, ""},
		"talks for ever":  {func(p *l4test.Peer) { p.Conn().Write(make([]byte, 4<<20)) }, ""},
		"talks backwards": {func(p *l4test.Peer) { p.Send("GNOP+\r\n"); l4test.EchoScript(p) }, ""},
	}
	for name, s := range servers {
		b := l4test.Serve(t, s.script)
		for kind, p := range everyProbe(Dialer{}) {
			t.Run(kind+" "+name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				wantDown(t, p.Probe(ctx, target(b.Addr())), s.says)
			})
		}
	}
}

// A silent server is down when the time is up, and not later; a cancelled probe says nothing of the server.
func TestSilenceEndsWithTheContext(t *testing.T) {
	silent := l4test.Discard(t)
	for kind, p := range everyProbe(Dialer{}) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			r := p.Probe(ctx, target(silent.Addr()))
			wantDown(t, r, "no answer in time")
			if !errors.Is(r.Err, ErrTimeout) || OurOwn(r.Err) {
				t.Errorf("got %v, want ErrTimeout, which is no fault of ours", r.Err)
			}
			if took := time.Since(start); took < 50*time.Millisecond || took > patience/2 {
				t.Errorf("returned after %v, want 50ms", took)
			}
			cancelled, cancel := context.WithCancel(t.Context())
			cancel()
			if r := p.Probe(cancelled, target(silent.Addr())); !errors.Is(r.Err, context.Canceled) || !OurOwn(r.Err) {
				t.Errorf("cancelled: got %v, want context.Canceled, which is a fault of ours", r.Err)
			}
		})
	}
}

// Nobody listens: down, and the address is named.
func TestRefusedIsDown(t *testing.T) {
	addr := l4test.Refused(t)
	probes := everyProbe(Dialer{})
	probes["tcp"] = TCP{}
	for kind, p := range probes {
		t.Run(kind, func(t *testing.T) {
			r := ask(t, p, addr)
			wantDown(t, r, addr, "connection refused")
			if OurOwn(r.Err) {
				t.Errorf("%v is told to be a fault of ours", r.Err)
			}
		})
	}
}

// The header is the first that a server reads, TLS or not.
func TestHeaderComesFirst(t *testing.T) {
	for header, want := range map[Header]string{
		HeaderV1: "PROXY UNKNOWN\r\n",
		HeaderV2: "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x20\x00\x00\x00",
	} {
		for kind, p := range everyProbe(Dialer{Header: header}) {
			t.Run(header.String()+" "+kind, func(t *testing.T) {
				b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect(want) })
				ask(t, p, b.Addr())
				b.AwaitDone(1)
			})
		}
	}
}

// A server that has answered sees a FIN and no reset, though it goes on for a while.
func TestLeavesWithoutReset(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.Expect("ping\n").Send("pong\n").ExpectEOF()
		<-time.After(20 * time.Millisecond) // by then, who wanted to close has
		p.Send("and more").AwaitAcked().Send("that nobody wants").AwaitAcked().CloseWrite()
	})
	steps := []Step{{Send: []byte("ping\n")}, {Expect: []byte("pong")}}
	wantUp(t, ask(t, Script{Steps: steps}, b.Addr()))
	b.AwaitDone(1)
}

// What passed is told in one printable line of bounded length.
func TestTranscript(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect("a\x00").Send("b\xff\r\n").ReceiveAll() })
	r := ask(t, Script{Steps: []Step{{Send: []byte("a\x00")}, {Expect: []byte("\n")}}}, b.Addr())
	if want := `sent "a\x00"; got "b\xff\r\n"`; r.Transcript != want {
		t.Errorf("got %s, want %s", r.Transcript, want)
	}
	long := strings.Repeat("\x01", 3<<10)
	b = l4test.Serve(t, func(p *l4test.Peer) { p.Send(long + "end").ReceiveAll() })
	r = ask(t, Script{Steps: []Step{{Expect: []byte("end")}}}, b.Addr())
	wantUp(t, r)
	if want := " and 2875 bytes more"; len(r.Transcript) > maxTranscript || !strings.HasSuffix(r.Transcript, want) {
		t.Errorf("got %d bytes, %q, want at most %d that end in %q", len(r.Transcript), r.Transcript, maxTranscript, want)
	}
}
