package integration

import (
	"fmt"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A client may have so many sessions, and others are none the worse for it. Behind a balancer it is the client that the
// header names, an IPv6 network as a whole.
func TestSessionsOfAClientAreLimited(t *testing.T) {
	t.Parallel()
	f := start(t, "--proxy-in", "127.0.0.0/8", "--client-conns", "2", l4test.Echo(t).Addr())
	one := introduced(t, f, "2001:db8:0:1::1").Send("x").Expect("x")
	introduced(t, f, "2001:db8:0:1::2").Send("x").Expect("x")
	introduced(t, f, "2001:db8:0:1::3").ExpectReset()
	wantCause(t, f.Session(), "client-conns")
	introduced(t, f, "2001:db8:0:2::1").Send("x").Expect("x")
	introduced(t, f, "192.0.2.1").Send("x").Expect("x")
	one.CloseWrite().ExpectEOF()
	f.Sessions(2)
	introduced(t, f, "2001:db8:0:1::3").Send("x").Expect("x")
}

// introduced is a client at an address of which a balancer on this machine tells.
func introduced(t testing.TB, f *forebay, ip string) *l4test.Peer {
	t.Helper()
	family, to := "TCP4", "192.0.2.80"
	for _, r := range ip {
		if r == ':' {
			family, to = "TCP6", "2001:db8::80"
		}
	}
	return l4test.Dial(t, f.Addr()).Send(fmt.Sprintf("PROXY %s %s %s 40000 80\r\n", family, ip, to))
}

// A client may begin so many sessions in a time. Each way to turn it away is what it says.
func TestNewSessionsOfAClientAreLimited(t *testing.T) {
	for _, c := range []struct {
		how  string
		ends func(*l4test.Peer)
	}{
		{"reset", func(p *l4test.Peer) { p.ExpectReset() }},
		{"close", func(p *l4test.Peer) { p.Send("x").ExpectEOF() }},
		{"delay", func(p *l4test.Peer) { p.Send("x").ExpectReset() }},
	} {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			args := []string{"--client-rate", "3/h", "--on-limit", c.how, l4test.Echo(t).Addr()}
			least := 0.0
			if c.how == "delay" {
				args, least = append(args, "--limit-delay", "300ms"), 0.3
			}
			f := start(t, args...)
			for range 3 {
				l4test.Dial(t, f.Addr()).Send("x").Expect("x").CloseWrite().ExpectEOF()
			}
			c.ends(l4test.Dial(t, f.Addr()))
			e := f.Sessions(4)[3]
			wantCause(t, e, "client-rate")
			wantTotal(t, e, least)
		})
	}
}

// A listener may bring in so many in a time; the others wait, and none is lost.
func TestAcceptRateMakesClientsWait(t *testing.T) {
	t.Parallel()
	f := start(t, "--accept-rate", "5/s", l4test.Echo(t).Addr())
	began := time.Now()
	var clients []*l4test.Peer
	for range 10 {
		clients = append(clients, l4test.Dial(t, f.Addr()).Send("x"))
	}
	for _, p := range clients {
		p.Expect("x").CloseWrite().ExpectEOF()
	}
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("10 clients were served within %v, want a second: 5 at once, then 5 more", took)
	}
}

// Ten thousand clients, each from a place of its own, cost some memory and no more, however often they come.
func TestManyClientsCostLittle(t *testing.T) {
	measures(t)
	const clients = 10_000
	f := start(t, "--proxy-in", "127.0.0.0/8", "--client-conns", "1", "--client-rate", "1/h", "--log-empty", "--log-file", "/dev/null", l4test.Echo(t).Addr())
	come := func(want string) {
		for i := range clients {
			p := introduced(t, f, fmt.Sprintf("10.0.%d.%d", i/256, i%256))
			if want == "" {
				p.ExpectReset()
				continue
			}
			p.Send(want).Expect(want).Close()
		}
	}
	introduced(t, f, "192.0.2.1").Send("x").Expect("x")
	before := f.Memory()
	come("x")
	after := f.Memory()
	if grown := after - before; grown > 16<<20 {
		t.Errorf("%d clients took %d KiB, want some 80 bytes each and what the heap has for sessions", clients, grown>>10)
	}
	come("") // all are remembered
	if grown := f.Memory() - after; grown > 4<<20 {
		t.Errorf("their second visit took %d KiB more", grown>>10)
	}
}
