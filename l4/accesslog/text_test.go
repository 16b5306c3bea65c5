package accesslog

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"forebay/l4"
	"forebay/pool"
)

// mustBeVisible fails if a line has a character that a terminal obeys or that nobody sees.
func mustBeVisible(t testing.TB, lines []byte) {
	t.Helper()
	for i, r := range string(lines) {
		if r != '\n' && !strconv.IsPrint(r) {
			t.Fatalf("%U at byte %d of %q", r, i, lines)
		}
	}
}

// shows reports whether got is text, or its beginning where that was cut.
func shows(got, text string) bool {
	beginning, cut := strings.CutSuffix(got, ellipsis)
	return got == text || cut && strings.HasPrefix(text, beginning)
}

func TestTexts(t *testing.T) {
	long := strings.Repeat("a", MostText)
	for _, c := range []struct{ name, text, asText, asJSON string }{
		{"plain", "abc", `abc`, `"abc"`},
		{"with a space", "a b", `"a b"`, `"a b"`},
		{"with quotes", `a"\`, `"a\"\\"`, `"a\"\\"`},
		{"controls", "\x00\t\n\x1b[31m\x7f", `"\x00\t\n\x1b[31m\x7f"`, `"\u0000\u0009\u000a\u001b[31m\u007f"`},
		{"a terminal's sequence in one character", "\u009b31m", `"\u009b31m"`, `"\u009b31m"`},
		{"marks of direction", "a\u202eb\u2066\u200f", `"a\u202eb\u2066\u200f"`, `"a\u202eb\u2066\u200f"`},
		{"what nobody sees", "a\u200b\ufeff\u00ad\u2028", `"a\u200b\ufeff\u00ad\u2028"`, `"a\u200b\ufeff\u00ad\u2028"`},
		{"tags beyond the first plane", "\U000e0041", `"\U000e0041"`, `"\udb40\udc41"`},
		{"letters", "é漢😀", `"é漢😀"`, `"é漢😀"`},
		{"no UTF-8", "a\xff\xc3", `"a\xff\xc3"`, "\"a\ufffd\ufffd\""},
		{"as long as may be", long, long, `"` + long + `"`},
		{"longer", long + "a", `"` + long[3:] + `…"`, `"` + long[3:] + `…"`},
		{"longer by its quotes", long[1:] + `"`, `"` + long[3:] + `…"`, `"` + long[3:] + `…"`},
		{"long escapes", strings.Repeat("\u009b", MostText), `"` + strings.Repeat(`\u009b`, 84) + `…"`, `"` + strings.Repeat(`\u009b`, 84) + `…"`},
	} {
		if got := string(appendText(nil, Text, c.text, MostText)); got != c.asText {
			t.Errorf("%s: got text\n%s, want\n%s", c.name, got, c.asText)
		}
		if got := string(appendText(nil, JSON, c.text, MostText)); got != c.asJSON {
			t.Errorf("%s: got JSON\n%s, want\n%s", c.name, got, c.asJSON)
		}
		if got := string(appendText(nil, JSON, c.text+long, whole)); len(got) <= len(c.text)+len(long) {
			t.Errorf("%s: got %d bytes of a text that is to be whole", c.name, len(got))
		}
	}
}

// What the operator did not name is bounded, in every field of a Record that there is or will be.
func TestNobodyElseDecidesHowLongALineIs(t *testing.T) {
	const mostLine = 16 << 10 // as the page says
	given := []string{"Listener", "Route", "Backend"}
	for _, filling := range []string{"a", "\x1b", "\u202e", "\xff", `"`} {
		r := served()
		for range 14 {
			r.Tries = append(r.Tries, l4.Try{Backend: "b:1", Address: tcp("[2001:db8::1]:8000"), Result: pool.TLSFailed, Took: time.Hour})
		}
		fill(reflect.ValueOf(r).Elem(), strings.Repeat(filling, 100<<10), given)
		for _, f := range []Format{Text, JSON} {
			line := appendRecord(nil, f, r)
			mustBeVisible(t, line)
			if len(line) > mostLine {
				t.Errorf("%q as %s: a line of %d bytes, want %d at most", filling, f, len(line), mostLine)
			}
			if f == JSON && !json.Valid(line) {
				t.Errorf("%q: not JSON: %s", filling, line)
			}
		}
	}
}

// fill sets every text in v, but for those that the operator has given.
func fill(v reflect.Value, text string, given []string) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() {
			v.SetString(text)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), text, given)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Type() == reflect.TypeFor[pool.Address]() || slices.Contains(given, name) {
				continue
			}
			fill(v.Field(i), text, given)
		}
	}
}

func FuzzAppendText(f *testing.F) {
	for _, s := range []string{"plain", `q"b\`, "\x00\x1f\n", "é\u2028\u202e", "\xff\xfe", "a\xc3", strings.Repeat("\u009b", 99)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		j := appendText(nil, JSON, s, MostText)
		if err := json.Unmarshal(j, &got); err != nil || !shows(got, valid(s)) {
			t.Errorf("%q became %q, %v", s, j, err)
		}
		text := appendText(nil, Text, s, MostText)
		got, err := string(text), error(nil)
		if !plain(got) {
			got, err = strconv.Unquote(got)
		}
		if err != nil || !shows(got, s) {
			t.Errorf("%q became %q, %v", s, text, err)
		}
		for _, written := range [][]byte{j, text} {
			mustBeVisible(t, written)
			if len(written) > MostText+2 || !utf8.Valid(written) {
				t.Errorf("%q became %d bytes: %q", s, len(written), written)
			}
		}
	})
}

// encoding/json leaves in what can't be seen beyond ASCII.
func TestAppendVisible(t *testing.T) {
	line, err := json.Marshal(map[string]string{"a": "é\u009b\u202e\x7f\U000e0041\x1b"})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"a":"é\u009b\u202e\u007f\udb40\udc41\u001b"}` + "\n"
	if got := string(AppendVisible(nil, append(line, '\n'))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{{"abcdef", 6, "abcdef"}, {"abcdefg", 6, "abc…"}, {"aéééé", 8, "aéé…"}, {"\x80\x80\x80\x80\x80\x80\x80", 6, "…"}, {"abcd", 3, "…"}} {
		if got := Clip(c.text, c.most); got != c.want {
			t.Errorf("%q to %d: got %q, want %q", c.text, c.most, got, c.want)
		}
	}
}
