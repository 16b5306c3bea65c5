package health

import (
	"context"
	"testing"

	"forebay/l4/l4test"
)

func TestIdle(t *testing.T) {
	for name, test := range map[string]struct {
		script func(*l4test.Peer)
		down   string
	}{
		"keeps the connection": {func(p *l4test.Peer) { p.ReceiveAll() }, ""},
		"speaks first":         {func(p *l4test.Peer) { p.Send("220 hello").ReceiveAll() }, ""},
		"closes":               {func(p *l4test.Peer) { p.Close() }, "the server closed the connection, though nothing was said"},
		"resets":               {func(p *l4test.Peer) { p.Reset() }, "the server reset the connection"},
	} {
		for _, at := range []string{"127.0.0.1:0", "unix:" + l4test.SocketPath(t)} {
			if name == "resets" && at != "127.0.0.1:0" {
				continue // which a UNIX socket knows nothing of
			}
			t.Run(name+"/"+at, func(t *testing.T) {
				judge(t, ask(t, Idle{}, l4test.ServeAt(t, at, test.script).Addr()), test.down)
			})
		}
	}
	wantDown(t, ask(t, Idle{}, l4test.Refused(t)), "connection refused")
}

// A check that has less time than the connection must be kept does not take that for a fault, and one that is given up
// says nothing.
func TestIdleThatIsCutShort(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) { p.ReceiveAll() })
	ctx, cancel := context.WithTimeout(t.Context(), idleFor*4/5)
	defer cancel()
	wantUp(t, Idle{}.Probe(ctx, target(b.Addr())))
	ctx, cancel = context.WithCancel(t.Context())
	ended := make(chan Result)
	go func() { ended <- Idle{}.Probe(ctx, target(b.Addr())) }()
	l4test.Await(t, patience, "it is connected", func() bool { return b.Accepted() == 2 })
	cancel()
	if r := <-ended; r.Err != nil && !OurOwn(r.Err) {
		t.Errorf("got %v, want that it was cancelled", r.Err)
	}
}

// Only of a check by TCP, where the traffic goes, is more asked.
func TestDoubting(t *testing.T) {
	for check, want := range map[string]bool{
		"tcp": true, "tcp,proxy=v1": true, "tcp:22": false, "tls": false, "http:///": false, "exec:true": false, "off": false,
	} {
		if got := mustParse(t, check).Doubting(Dialer{}) != nil; got != want {
			t.Errorf("%s: got %v, want %v", check, got, want)
		}
	}
}
