package health

import (
	"bytes"
	"testing"

	"forebay/l4/l4test"
)

func TestScript(t *testing.T) {
	for _, c := range []struct{ check, down string }{
		{`expect:hello`, ""},
		{`expect:hello,send:a\x00b,expect:A\x00B`, ""},
		{`match:^he(l{2\,})o,send:a\x00b,match:\x00B$`, ""},
		{`match:^\xfe`, "step 1: got"},
		{`expect:l,expect:l,expect:o`, ""},
		{`expect:o,expect:l`, `step 2: got "", want "l": the server closed the connection`},
		{`expect:hello,match:^o`, "want a match of ^o: the server closed"},
		{`send:x`, ""},
		{`match:.{70000}`, "is no regular expression"},
	} {
		t.Run(c.check, func(t *testing.T) {
			check, err := ParseCheck(c.check)
			if err != nil {
				wantDown(t, Result{Err: err}, c.down)
				return
			}
			b := l4test.Serve(t, func(p *l4test.Peer) {
				p.SendEach("hello")
				if bytes.Contains([]byte(c.check), []byte(`send:a\x00b`)) {
					p.Expect("a\x00b").SendEach("A\x00B")
				}
				p.CloseWrite().ReceiveAll()
			})
			judge(t, ask(t, check.Probe(Dialer{}), b.Addr()), c.down)
			b.AwaitDone(1)
		})
	}
}

// An answer in many pieces, over which a match comes together, and one that is larger than a probe takes.
func TestScriptBounds(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) {
		p.Send("ab").AwaitAcked().Send("cd").AwaitAcked().Send("ef").ReceiveAll()
	})
	wantUp(t, ask(t, mustParse(t, "match:b.*c.*e").Probe(Dialer{}), b.Addr()))
	b = l4test.Serve(t, func(p *l4test.Peer) { p.Conn().Write(bytes.Repeat([]byte("x"), maxAnswer+1)) })
	wantDown(t, ask(t, mustParse(t, "expect:y").Probe(Dialer{}), b.Addr()), "more than 64 KiB")
}

// FuzzBytes: what is written for bytes is read as these bytes, and stands alone between commas.
func FuzzBytes(f *testing.F) {
	f.Add([]byte("a,b\\\x00\r\n\xff"), "x")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		written := escape(b)
		if got, err := unescape(written); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%q is written as %s and read as %q, %v", b, written, got, err)
		}
		if items := splitItems(written + "," + escape([]byte(text))); len(items) != 2 || items[0] != written {
			t.Errorf("%s is split into %q", written, items)
		}
		if got := uncomma(encomma(uncomma(text))); got != uncomma(text) {
			t.Errorf("%q becomes %q", uncomma(text), got)
		}
		if got, err := unescape(text); err == nil {
			if again, err := unescape(escape(got)); err != nil || !bytes.Equal(again, got) {
				t.Errorf("%q is read as %q, and that as %q, %v", text, got, again, err)
			}
		}
	})
}
