package l4test

import (
	"net/netip"
	"strings"
	"testing"
)

func TestBackendStandsOnTheOtherHost(t *testing.T) {
	if !TwoHosts(t) {
		return
	}
	b := ServeAt(t, There+":0", func(p *Peer) { EchoScript(p.Send(p.Remote().String() + "\n")) })
	p := Dial(t, b.Addr())
	if from := p.Addr().String(); !strings.HasPrefix(from, Here+":") {
		t.Errorf("the other host is reached from %s, want %s", from, Here)
	}
	p.Expect(p.Addr().String() + "\n").Send("x").Expect("x").CloseWrite().ExpectEOF()
	if from, err := TryDialFrom(t, netip.MustParseAddr(There), ServeAt(t, Here+":0", EchoScript).Addr(), Plainly); err != nil {
		t.Errorf("this host is not reached from the other one: %v", err)
	} else {
		from.Send("x").Expect("x").CloseWrite().ExpectEOF()
	}
	if _, err := TryDial(t, strings.Replace(b.Addr(), There, "127.0.0.1", 1)); err == nil {
		t.Error("the backend is reached over loopback, too")
	}
}

// Each test of this package that another process is told to run with its Backends there has them there.
func TestBackendsStandOnTheOtherHost(t *testing.T) {
	AgainOnTwoHosts(t, "^(TestUntoldBackendStandsThere|TestContent|TestRefused|TestBlackHole)$")
}

func TestUntoldBackendStandsThere(t *testing.T) {
	want := "127.0.0.1:"
	if there >= 0 {
		want = There + ":"
	}
	for _, addr := range []string{Echo(t).Addr(), Refused(t), BlackHole(t), Reserve(t, anywhere())} {
		if !strings.HasPrefix(addr, want) {
			t.Errorf("a backend that was not told where stands at %s, want %s", addr, want)
		}
	}
}
