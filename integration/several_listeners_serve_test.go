package integration

import (
	"net"
	"testing"

	"forebay/l4/l4test"
)

// Several listeners, of both families, serve one pool; a dual-stack one takes clients of either.
func TestSeveralListenersServe(t *testing.T) {
	t.Parallel()
	path := "unix:" + l4test.SocketPath(t)
	f := start(t, "-l", "127.0.0.1:0", "-l", "[::1]:0", "-l", ":0", "-l", path, l4test.Echo(t).Addr())
	l4test.Await(t, patience, "three TCP listeners", func() bool { f.addrs = listening(f.pid()); return len(f.addrs) == 3 })
	for _, addr := range append(f.addrs, path) {
		host, port, _ := net.SplitHostPort(addr)
		ways := []string{addr}
		if host == "::" {
			ways = []string{"127.0.0.1:" + port, "[::1]:" + port}
		}
		for _, way := range ways {
			l4test.Dial(t, way).Send("x").Expect("x").CloseWrite().ExpectEOF()
		}
	}
}
