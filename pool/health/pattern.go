package health

import (
	"errors"
	"fmt"
	"io"
	"regexp"
)

// A Pattern is a regular expression (https://golang.org/s/re2syntax) over bytes: \xff stands for the byte 255, "." for
// any byte but the newline, and a letter outside ASCII for its bytes in UTF-8.
type Pattern struct {
	text string
	re   *regexp.Regexp
}

// String returns the expression.
func (p *Pattern) String() string { return p.text }

// UnmarshalText reads an expression. One that matches the empty text is refused: it would match any answer.
func (p *Pattern) UnmarshalText(text []byte) error {
	re, err := regexp.Compile(byteByByte(text))
	if err != nil {
		return fmt.Errorf("%q is no regular expression: %w", text, err)
	}
	if re.MatchReader(&byteRunes{}) {
		return errors.New("the regular expression matches the empty text, and so anything: write one that does not")
	}
	*p = Pattern{string(text), re}
	return nil
}

// byteByByte returns a string that has a rune for each byte of b.
func byteByByte(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

// find returns where in b the first match ends, 0 if there is none.
func (p *Pattern) find(b []byte) int {
	at := p.re.FindReaderIndex(&byteRunes{b: b})
	if at == nil {
		return 0
	}
	return max(at[1], 1) // an empty match, as of \b, counts as one byte
}

// byteRunes reads each byte as the rune with the same number.
type byteRunes struct {
	b  []byte
	at int
}

// ReadRune returns the next byte.
func (r *byteRunes) ReadRune() (rune, int, error) {
	if r.at == len(r.b) {
		return 0, 0, io.EOF
	}
	r.at++
	return rune(r.b[r.at-1]), 1, nil
}
