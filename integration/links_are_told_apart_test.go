package integration

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"forebay/l4/l4test"
)

// The same link-local address is another host on each link. A rule for one link is for that one alone: who may connect,
// and whose PROXY header is believed. What backends and the log are told follows.
func TestLinksAreToldApart(t *testing.T) {
	t.Parallel()
	if !l4test.TwoHosts(t) {
		return
	}
	for _, link := range []string{"lo", "near"} {
		if out, err := exec.Command("ip", "addr", "add", "fe80::5/64", "dev", link, "nodad").CombinedOutput(); err != nil {
			t.Skipf("%v: %s", err, out)
		}
	}
	t.Run("allow", func(t *testing.T) {
		f := start(t, "-l", "[::]:0", "--allow", "fe80::5%near", "--client-conns", "1", "--proxy-out", "v1", l4test.Echo(t).Addr())
		in := l4test.Dial(t, onLink(t, f, "near")).Send("x").Expect("PROXY TCP6 fe80::5 fe80::5 ")
		l4test.Dial(t, onLink(t, f, "lo")).ExpectReset()
		wantCause(t, f.Session(), "denied")
		in.Close()
		if e := f.Sessions(2)[1]; !strings.HasPrefix(e.Client, "[fe80::5%near]:") {
			t.Errorf("the log tells of %s", e.Client)
		}
	})
	t.Run("proxy-in", func(t *testing.T) {
		f := start(t, "-l", "[::]:0", "--proxy-in", "fe80::5%near", l4test.Echo(t).Addr())
		const header = "PROXY TCP4 192.0.2.1 198.51.100.2 4321 80\r\n"
		l4test.Dial(t, onLink(t, f, "lo")).Send(header).Expect(header).CloseWrite().ExpectEOF()
		f.Session()
		l4test.Dial(t, onLink(t, f, "near")).Send(header + "x").Expect("x").CloseWrite().ExpectEOF()
		if e := f.Sessions(2)[1]; e.Client != "192.0.2.1:4321" || !strings.HasPrefix(e.Via, "[fe80::5%near]:") {
			t.Errorf("the log tells of %s by way of %s", e.Client, e.Via)
		}
	})
}

// onLink returns where f is reached by a link.
func onLink(t *testing.T, f *forebay, link string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(f.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("fe80::5%"+link, port)
}
