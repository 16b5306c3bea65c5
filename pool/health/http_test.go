package health

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// page returns an answer of a server that closes.
func page(status, body string) string {
	return "HTTP/1.1 " + status + "\r\nServer: test\r\n\r\n" + body
}

func TestHTTPJudges(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nrea\r\n2\r\ndy\r\n0\r\n\r\n"
	for _, c := range []struct{ check, answer, down string }{
		{"http:///", page("200 OK", ""), ""},
		{"http:///", page("204 No Content", ""), ""},
		{"http:///", page("299 x", "y"), ""},
		{"http:///", page("300 x", ""), "got status 300, want 200-299"},
		{"http:///", page("503 Service Unavailable", "starting"), "got status 503, want 200-299"},
		{"http:///,status=503+200", page("503 x", ""), ""},
		{"http:///,status=401", page("200 OK", ""), "got status 200, want 401"},
		{"http:///", "HTTP/1.0 200 OK\r\n\r\n", ""},
		{"http:///", "HTTP/1.1 100 Continue\r\n\r\n" + page("200 OK", ""), ""},
		{"http:///", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 5) + page("200 OK", ""), "5 answers of class 1xx"},
		{"http:///", "SSH-2.0-OpenSSH_9.2\r\n", `malformed HTTP`},
		{"http:///", "HTTP/1.1 200 OK\r\nServer:", "wait for the answer: the server closed the connection"},
		{"http:///", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxAnswer), "more than 64 KiB"},
		{"http:///,body=ready", chunked, ""},
		{"http:///,body=ready", page("200 OK", "not yet"), `the body "not yet" does not contain "ready"`},
		{"http:///,body=ready", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nready", "read the body: the server closed the connection"},
		{"http:///,match=^r.+y$", chunked, ""},
		{"http:///,match=^r.+y$", page("200 OK", "ready\n"), "does not match ^r.+y$"},
		{`http:///,match=\xff`, page("200 OK", "\xff"), ""},
		{"http:///,body=end", page("200 OK", strings.Repeat("x", maxAnswer)+"end"), "does not contain"},
		{"http:///,body=begin", page("200 OK", "begin"+strings.Repeat("x", maxAnswer)), ""},
		{"http:///,method=HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", ""},
	} {
		t.Run(c.check+" "+c.answer[:min(len(c.answer), 40)], func(t *testing.T) {
			b := l4test.Serve(t, func(p *l4test.Peer) {
				request(p)
				p.Conn().Write([]byte(c.answer)) // a long one is not read to its end
				p.CloseWrite()
			})
			judge(t, ask(t, mustParse(t, c.check).Probe(Dialer{}), b.Addr()), c.down)
			b.AwaitDone(1)
		})
	}
}

// request reads the head of a request.
func request(p *l4test.Peer) string {
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		head.Write(p.Receive(1))
	}
	return head.String()
}

func TestHTTPRequest(t *testing.T) {
	for _, c := range []struct {
		probe HTTP
		to    Target
		want  string
	}{
		{HTTP{}, Target{"tcp", "192.0.2.1:80", ""}, "GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n"},
		{HTTP{}, Target{"tcp", "192.0.2.1:8080", "a.example"}, "GET / HTTP/1.1\r\nHost: a.example:8080\r\n"},
		{HTTP{}, Target{"tcp", "[2001:db8::1]:443", ""}, "GET / HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n"},
		{HTTP{Secure: true}, Target{"tcp", "[2001:db8::1]:443", ""}, "GET / HTTP/1.1\r\nHost: [2001:db8::1]\r\n"},
		{HTTP{Path: "/x?y", Method: "OPTIONS"}, Target{"unix", "/run/s", ""}, "OPTIONS /x?y HTTP/1.1\r\nHost: localhost\r\n"},
		{HTTP{}, Target{"unix", "/run/s", "a.example"}, "GET / HTTP/1.1\r\nHost: a.example\r\n"},
	} {
		want := c.want + "User-Agent: forebay-check\r\nAccept: */*\r\nConnection: close\r\n\r\n"
		if got := c.probe.request(c.to); got != want {
			t.Errorf("%+v of %+v: got %q, want %q", c.probe, c.to, got, want)
		}
	}
}

// The server is let finish and closes first: a FIN in the middle of its answer is logged by some as a client that went
// away.
func TestHTTPWaitsForTheEnd(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) {
		request(p)
		p.Send(page("200 OK", "one")).AwaitAcked()
		p.Conn().SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := p.Conn().Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("in the middle of the answer: got %d bytes and %v, want nothing", n, err)
		}
		p.Send("two").CloseWrite().ExpectEOF()
	})
	wantUp(t, ask(t, HTTP{}, b.Addr()))
	b.AwaitDone(1)
}

func FuzzStatus(f *testing.F) {
	f.Add("200-299+401")
	f.Add("99")
	f.Fuzz(func(t *testing.T, text string) {
		var s, again Status
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again.String() != s.String() || !s.Contains(s[0].First) || s.Contains(99) {
			t.Errorf("%q is read as %v, and that as %v, %v", text, s, again, err)
		}
	})
}
