package health

import (
	"strings"
	"testing"

	"forebay/l4/l4test"
)

// greetingOf returns a HandshakeV10 as MariaDB 10.11 sends it, for a plugin.
func greetingOf(plugin string) string {
	return myFrame(0, "\x0a5.5.5-10.11.19-MariaDB\x00"+"\x07\x00\x00\x00"+"12345678\x00"+"\xfe\xf7"+"\x2d"+"\x02\x00"+"\xff\x81"+"\x15"+
		strings.Repeat("\x00", 10)+"123456789012\x00"+plugin+"\x00")
}

// loginOf returns what is to come then, with the proof's length and bytes.
func loginOf(user, proof, plugin string) string {
	return myFrame(1, "\x01\x82\x08\x00"+"\x00\x00\x00\x01"+"\x21"+strings.Repeat("\x00", 23)+user+"\x00"+proof+plugin+"\x00")
}

const (
	myDone   = "\x07\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00"
	myDenied = "\xff\x15\x04#28000Access denied for user 'forebay'@'localhost'"
)

// The account logs in and out, whichever way the server checks passwords.
func TestMySQLLogsInAndOut(t *testing.T) {
	for plugin, proof := range map[string]string{
		"mysql_native_password": "\x00", "caching_sha2_password": "\x01\x00", "sha256_password": "\x01\x00", "": "\x00",
	} {
		t.Run(plugin, func(t *testing.T) {
			b := l4test.Serve(t, func(p *l4test.Peer) {
				p.SendEach(greetingOf(plugin)).Expect(loginOf("forebay", proof, plugin)).Send(myDone).Expect(myQuit).CloseWrite().ExpectEOF()
			})
			r := ask(t, MySQL{}, b.Addr())
			wantUp(t, r)
			b.AwaitDone(1)
		})
	}
}

// A server may ask for the password in another way than it announced: then for this account's.
func TestMySQLSwitchesPlugin(t *testing.T) {
	for plugin, proof := range map[string]string{"mysql_native_password": "", "caching_sha2_password": "\x00"} {
		t.Run(plugin, func(t *testing.T) {
			b := l4test.Serve(t, func(p *l4test.Peer) {
				p.Send(greetingOf("x")).Expect(loginOf("u", "\x00", "x")).Send(myFrame(2, "\xfe"+plugin+"\x00salt\x00"))
				p.Expect(myFrame(3, proof)).Send(myFrame(4, myDone[4:])).Expect(myQuit).CloseWrite().ExpectEOF()
			})
			wantUp(t, ask(t, MySQL{User: "u"}, b.Addr()))
			b.AwaitDone(1)
		})
	}
}

func TestMySQLGreeting(t *testing.T) {
	for greeting, down := range map[string]string{
		myFrame(0, "\xff\x10\x04Too many connections"): "refused: Too many connections (error 1040)",
		myFrame(0, "\xff\x69\x04Host 'x' is blocked"):  "Host 'x' is blocked (error 1129)",
		myFrame(0, "\x09old\x00"):                      "protocol 9, want 10",
		myFrame(0, "\x0aversion without end"):          "ends too early",
		myFrame(0, "\x0a5.5\x00short"):                 "ends too early",
		"\x00\x00\x00\x00":                             "a packet of 0 bytes",
		"220 mail.example ESMTP\r\n":                   "none of MySQL's",
		"\x05\x00\x00\x00\x0a":                         "wait for the greeting: the server closed the connection",
	} {
		t.Run(greeting, func(t *testing.T) {
			b := l4test.Serve(t, func(p *l4test.Peer) { p.SendEach(greeting).CloseWrite().ExpectEOF() })
			judge(t, ask(t, MySQL{}, b.Addr()), down)
			b.AwaitDone(1)
		})
	}
}

func TestMySQLAnswer(t *testing.T) {
	for answer, down := range map[string]string{
		myDenied: "",
		"\xff\x57\x0c#HY000Connections using insecure transport are prohibited": "insecure transport",
		"\xff\xd0\x03": "error 976",
		"\xff":         "ends too early",
		"\x01\x04":     "begins with 0x01",
	} {
		t.Run(answer, func(t *testing.T) {
			b := l4test.Serve(t, func(p *l4test.Peer) {
				p.Send(greetingOf("a")).Expect(loginOf("forebay", "\x00", "a")).Send(myFrame(2, answer)).CloseWrite().ExpectEOF()
			})
			judge(t, ask(t, MySQL{}, b.Addr()), down)
			b.AwaitDone(1)
		})
	}
}

// An account that the server does not know is told in the history, since the server logs it.
func TestMySQLTellsOfTheMissingAccount(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.Send(greetingOf("a")).Receive(len(loginOf("forebay", "\x00", "a")))
		p.Send(myFrame(2, myDenied)).CloseWrite().ExpectEOF()
	})
	r := ask(t, MySQL{}, b.Addr())
	wantUp(t, r)
	if !strings.Contains(r.Transcript, "CREATE USER") {
		t.Errorf("got %s, want it to say what to do", r.Transcript)
	}
}

// FuzzMySQLGreeting: no greeting makes it panic, and a plugin's name is part of what was sent.
func FuzzMySQLGreeting(f *testing.F) {
	f.Add([]byte(greetingOf("mysql_native_password")[4:]))
	f.Add([]byte("\x0a\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return // no packet is empty
		}
		if plugin, err := myPlugin(b); err == nil && !strings.Contains(string(b), plugin) {
			t.Errorf("%q: got the plugin %q", b, plugin)
		}
	})
}
