package sni

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestLookupTakesTheMostSpecific(t *testing.T) {
	var n Names[string]
	for _, p := range []Pattern{"*", "*.example.com", "db.example.com", "*.db.example.com", "other.example"} {
		if err := n.Add(p, string(p)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"db.example.com":     "db.example.com",
		"www.example.com":    "*.example.com",
		"a.db.example.com":   "*.db.example.com",
		"a.b.db.example.com": "*",
		"a.www.example.com":  "*",
		"example.com":        "*",
		"other.example":      "other.example",
		"com":                "*",
		"":                   "*",
	} {
		if got, ok := n.Lookup(name); !ok || got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestLookupFindsNothing(t *testing.T) {
	var n Names[int]
	if _, ok := n.Lookup("a.example"); ok {
		t.Error("there is something in no names")
	}
	n.Add("*.example", 1)
	for _, name := range []string{"", "example", "a.b.example", "a.other"} {
		if _, ok := n.Lookup(name); ok {
			t.Errorf("%q is found among *.example", name)
		}
	}
}

func TestAddRefusesTwice(t *testing.T) {
	for _, p := range []Pattern{"a.example", "*.example", "*"} {
		var n Names[int]
		n.Add(p, 1)
		var twice *DuplicateError
		if err := n.Add(p, 2); !errors.As(err, &twice) || twice.Pattern != p {
			t.Errorf("%q twice: got %v", p, err)
		}
		if v, _ := n.Lookup(strings.Replace(string(p), "*", "x", 1)); v != 1 || n.Len() != 1 {
			t.Errorf("%q: the second took the place of the first", p)
		}
	}
}

func TestPatternReadsWhatIsWritten(t *testing.T) {
	for text, want := range map[string]Pattern{
		"*": Rest, "DB.Example.com": "db.example.com", "*.Example.com.": "*.example.com", "localhost": "localhost", "_x.a": "_x.a", "*.com": "*.com",
	} {
		var p Pattern
		if err := p.UnmarshalText([]byte(text)); err != nil || p != want {
			t.Errorf("%q: got %q, %v, want %q", text, p, err, want)
		}
	}
}

func TestPatternRefuses(t *testing.T) {
	for text, hint := range map[string]string{
		"":               "write db.example.com",
		"a.example:443":  "without a port",
		"192.0.2.1":      "no name for an address",
		"[2001:db8::1]":  "no name for an address",
		"a*.example.com": "whole label",
		"a.*.com":        "whole label",
		"*.*.com":        "whole label",
		"bücher.example": "punycode",
		"a..example":     "write db.example.com",
		"-a.example":     "write db.example.com",
		"*.192.0.2.1":    "is no name",
	} {
		var p Pattern
		if err := p.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), hint) || p != "" {
			t.Errorf("%q: got %q, %v, want an error with %q", text, p, err, hint)
		}
	}
}

func TestNameIsThatOfAHello(t *testing.T) {
	longest := strings.Repeat("a.", maxName/2) + "a"
	for name, want := range map[string]string{
		"DB.Example.com.": "db.example.com", "_x.a": "_x.a", longest + ".": longest,
		"": "", ".": "", "192.0.2.1": "", "a b\r\n": "", "a.example\x00": "", "\xff\xfe": "", longest + "a": "", strings.Repeat("a.", 1<<15): "",
	} {
		if got := Name(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	var n Names[int]
	for i := range 1000 {
		n.Add(Pattern(fmt.Sprintf("*.pool%d.example.com", i)), i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if v, _ := n.Lookup("db.pool500.example.com"); v != 500 {
			b.Fatal(v)
		}
	}
}
