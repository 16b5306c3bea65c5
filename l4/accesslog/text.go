package accesslog

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// MostText is how many bytes a text of a line takes at most, as it is written and without its quotes. A longer one ends
// in an ellipsis. What clients and backends make others write is bounded here and nowhere else: a ClientHello of 62 KB
// became a fault of 310 KB. Names that the operator gave are written whole.
const MostText = 512

// whole is the limit of a text that has none.
const whole = 0

// ellipsis stands where a text was cut, and is counted.
const ellipsis = "…"

// appendText appends s as a JSON string, or for text as it is if that is plain and quoted as in Go if not: most bytes
// of it at most, unless most is whole. Only what can be printed stands for itself. Controls, which a terminal may obey,
// marks that turn the direction of writing, and whatever else can't be seen are written as escapes.
func appendText(b []byte, f Format, s string, most int) []byte {
	fits := most == whole || len(s) <= most
	if f == Text && fits && plain(s) {
		return append(b, s...)
	}
	b = append(b, '"')
	if most == whole || len(s)*longestEscape <= most {
		return append(appendEscaped(b, f, s), '"')
	}
	return append(appendCut(b, f, s, most), '"')
}

// plain reports whether s needs no quotes beside a key and an equals sign.
func plain(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c == '"' || c == '=' || c == ',' || c >= 0x7f {
			return false
		}
	}
	return true
}

// longestEscape is how many bytes a byte of a text becomes at most.
const longestEscape = len(`\u0000`)

// appendEscaped appends all of s, without quotes.
func appendEscaped(b []byte, f Format, s string) []byte {
	for {
		n := literal(s)
		b = append(b, s[:n]...)
		if s = s[n:]; s == "" {
			return b
		}
		b, s = appendFirst(b, f, s)
	}
}

// appendCut appends s, and an ellipsis in place of what would make it longer than most.
func appendCut(b []byte, f Format, s string, most int) []byte {
	start, cut := len(b), len(b)
	for s != "" {
		if len(b)-start <= most-len(ellipsis) {
			cut = len(b)
		}
		b, s = appendFirst(b, f, s)
		if len(b)-start > most {
			return append(b[:cut], ellipsis...)
		}
	}
	return b
}

// literal returns how many bytes at the start of s stand for themselves and are ASCII.
func literal(s string) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}

// appendFirst appends the first character of s, and returns what is left of s. A byte that is no UTF-8 becomes U+FFFD
// in JSON, as in encoding/json, and shows its value in text.
func appendFirst(b []byte, f Format, s string) (_ []byte, rest string) {
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case r == '"' || r == '\\':
		return append(b, '\\', byte(r)), s[size:]
	case f == Text && !(strconv.IsPrint(r) && r != utf8.RuneError):
		var quoted [16]byte
		q := strconv.AppendQuote(quoted[:0], s[:size])
		return append(b, q[1:len(q)-1]...), s[size:]
	case strconv.IsPrint(r):
		return utf8.AppendRune(b, r), s[size:]
	}
	return appendUnicode(b, r), s[size:]
}

// appendUnicode appends the escape of r in JSON (RFC 8259, section 7).
func appendUnicode(b []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return appendUnicode(appendUnicode(b, high), low)
	}
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}

// AppendVisible appends lines of JSON with escapes in place of what can't be printed: encoding/json and log/slog leave
// that in. Messages about the process, which stand beside the access log's lines, are as safe to look at by this.
func AppendVisible(b, lines []byte) []byte {
	for len(lines) > 0 {
		r, size := utf8.DecodeRune(lines)
		if n := ascii(lines); n > 0 {
			b, size = append(b, lines[:n]...), n
		} else if r == '\n' || strconv.IsPrint(r) {
			b = append(b, lines[:size]...)
		} else {
			b = appendUnicode(b, r)
		}
		lines = lines[size:]
	}
	return b
}

// ascii returns how many bytes at the start of b are characters of ASCII that can be printed.
func ascii(b []byte) int {
	for i, c := range b {
		if c < ' ' || c >= 0x7f {
			return i
		}
	}
	return len(b)
}

// Clip returns s if it has most bytes at most, else its beginning and an ellipsis. It cuts between characters.
func Clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:max(end, 0)] + ellipsis
}
