package file

import (
	"bytes"
	"encoding/base64"
	"errors"
	"unicode"
)

// decode decodes base64 with spaces of any kind in it, such as web pages and editors put between lines. wrong is the
// index of the first byte that is no base64, or -1.
func decode(text []byte) (data []byte, wrong int) {
	packed := bytes.Map(func(r rune) rune {
		if isSpace(r) {
			return -1
		}
		return r
	}, text)
	data = make([]byte, base64.StdEncoding.DecodedLen(len(packed)))
	n, err := base64.StdEncoding.Decode(data, packed)
	if at, ok := errors.AsType[base64.CorruptInputError](err); ok {
		return nil, unpacked(text, int(at))
	}
	return data[:n], -1
}

// unpacked returns the index in text of the byte that would have index n if text had no spaces.
func unpacked(text []byte, n int) int {
	for i, r := range string(text) {
		if isSpace(r) {
			continue
		}
		if n <= 0 {
			return i
		}
		n -= len(string(r))
	}
	return len(text)
}

// isSpace reports whether r is a space, a line end, a byte order mark or a space of no width.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' || r == '\u200b' }
