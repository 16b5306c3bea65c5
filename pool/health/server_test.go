package health

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"
)

// A canned connection says what it holds, then ends. It takes whatever is sent.
type canned struct {
	io.Reader
}

func (canned) Write(b []byte) (int, error)      { return len(b), nil }
func (canned) Close() error                     { return nil }
func (canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (canned) SetDeadline(time.Time) error      { return nil }
func (canned) SetReadDeadline(time.Time) error  { return nil }
func (canned) SetWriteDeadline(time.Time) error { return nil }

// FuzzServer: whatever a server says, a probe comes to a verdict, with a transcript and an error that can be printed.
// It needs more than nothing to be up.
func FuzzServer(f *testing.F) {
	for _, said := range []string{
		pgErrorOf("53300", "two\nlines"), "\x09\x00\x00\x00\xff\x10\x04two\n\x1b[m",
		"+PONG\r\n", "220 hello\r\n", "S", pgErrorOf("53300", "x"), pgOK + pgStatus + pgIdle, pgOK + pgErrorOf("53300", "x"), greetingOf("a") + myDone, page("200 OK", "hello"),
		greetingOf("a") + myFrame(2, "\xfeb\x00") + myFrame(4, myDenied), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	} {
		f.Add([]byte(said))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		d := Dialer{Dial: func(context.Context, string, string) (net.Conn, error) { return canned{bytes.NewReader(said)}, nil }}
		probes := everyProbe(d)
		probes["body"] = mustParse(t, "http:///,body=hello,match=h.*o").Probe(d)
		for kind, p := range probes {
			r := p.Probe(t.Context(), target("192.0.2.1:80"))
			if len(r.Transcript) > maxTranscript || !isPrintable(r.Transcript) {
				t.Errorf("%s: the transcript is %q", kind, r.Transcript)
			}
			if r.Err != nil && strings.ContainsFunc(r.Err.Error(), unicode.IsControl) {
				t.Errorf("%s: the error is %q, want one line that can be printed", kind, r.Err)
			}
			if r.Err == nil && len(said) == 0 {
				t.Errorf("%s is up, of a server that says nothing", kind)
			}
		}
	})
}

func isPrintable(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
