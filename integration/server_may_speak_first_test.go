package integration

import (
	"testing"

	"forebay/l4/l4test"
)

// A server's greeting reaches a client that has sent nothing, as SMTP, MySQL and SSH need it; with a PROXY header too.
func TestServerMaySpeakFirst(t *testing.T) {
	t.Parallel()
	const greeting = "220 mail.example ESMTP\r\n"
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		f := start(t, l4test.Banner(t, greeting).Addr())
		l4test.Dial(t, f.Addr()).Expect(greeting).Send("QUIT").Expect("QUIT")
	})
	t.Run("after a PROXY header", func(t *testing.T) {
		t.Parallel()
		b := l4test.Serve(t, func(p *l4test.Peer) {
			p.Expect("PROXY TCP4 127.0.0.1 127.0.0.1 ").Send(greeting).ReceiveAll()
		})
		f := start(t, "--proxy-out", "v1", b.Addr())
		l4test.Dial(t, f.Addr()).Expect(greeting).CloseWrite().ExpectEOF()
		b.AwaitDone(1)
	})
}
