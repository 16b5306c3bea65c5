package health

import (
	"testing"

	"forebay/l4/l4test"
)

func TestSMTP(t *testing.T) {
	for greeting, down := range map[string]string{
		"220 mail.example ESMTP\r\n": "",
		"220\n":                      "",
		"220-mail.example\r\n220-\r\n220 \xff\r\n": "",
		"554 no service here\r\n":                  `greeted with "554 no service here", want 220`,
		"421-busy\r\n421 later\r\n":                "421 later",
		"SSH-2.0-OpenSSH_9.2\r\n":                  "begins with three digits",
		"2200 x\r\n":                               "begins with three digits",
	} {
		t.Run(greeting, func(t *testing.T) {
			b := l4test.Serve(t, func(p *l4test.Peer) {
				p.SendEach(greeting)
				if down == "" {
					p.Expect("QUIT\r\n").Send("221 2.0.0 Bye\r\n")
				}
				p.CloseWrite().ReceiveAll()
			})
			judge(t, ask(t, SMTP{}, b.Addr()), down)
			b.AwaitDone(1)
		})
	}
}

// The client that speaks first is taken for a spammer.
func TestSMTPWaitsForTheWholeGreeting(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.Send("220-wait\r\n").AwaitAcked().Send("220 go\r\n").Expect("QUIT\r\n").Send("221 bye\r\n").CloseWrite().ExpectEOF()
	})
	r := ask(t, SMTP{}, b.Addr())
	wantUp(t, r)
	if want := `got "220-wait\r\n220 go\r\n"; sent "QUIT\r\n"`; r.Transcript != want {
		t.Errorf("got %s, want %s", r.Transcript, want)
	}
	b.AwaitDone(1)
}
