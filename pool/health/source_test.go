package health

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"forebay/l4/l4test"
)

// Each connection is from the next of the sources that the server's family has.
func TestSourcesTakeTurns(t *testing.T) {
	seen := make(chan string, 1)
	b := l4test.ServeAt(t, "127.0.0.1:0", func(p *l4test.Peer) {
		host, _, _ := net.SplitHostPort(p.Remote().String())
		seen <- host
		p.Send("hello").ReceiveAll()
	})
	d := Dialer{Sources: NewSources(netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.3"))}
	var got []string
	for range 3 {
		wantUp(t, ask(t, Script{Dialer: d, Steps: []Step{{Expect: []byte("hello")}}}, b.Addr()))
		got = append(got, <-seen)
	}
	if want := []string{"127.0.0.3", "127.0.0.2", "127.0.0.3"}; !slices.Equal(got, want) {
		t.Errorf("connections came from %v, want %v", got, want)
	}
}

// No probe goes out from where the kernel likes if it has a source; one that this machine does not have tells nothing
// of the server.
func TestProbesKeepToTheirSource(t *testing.T) {
	b := l4test.Discard(t)
	_, port, _ := net.SplitHostPort(b.Addr())
	d := Dialer{Sources: NewSources(netip.MustParseAddr("192.0.2.1"))}
	probes := everyProbe(d)
	probes["tcp"] = TCP{d}
	for kind, p := range probes {
		for _, at := range []Target{target(b.Addr()), {Network: "tcp4", Address: "localhost:" + port}} {
			if r := p.Probe(t.Context(), at); !OurOwn(r.Err) || !errors.Is(r.Err, syscall.EADDRNOTAVAIL) {
				t.Errorf("%s of %s: got %v, want %v", kind, at.Address, r.Err, syscall.EADDRNOTAVAIL)
			}
		}
	}
	unix := l4test.ServeAt(t, "unix:"+l4test.SocketPath(t), func(p *l4test.Peer) { p.ReceiveAll() })
	wantUp(t, ask(t, TCP{d}, unix.Addr()))
}
