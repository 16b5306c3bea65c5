package health

import (
	"fmt"
	"strconv"
)

const (
	maxTranscript = 1 << 10 // bytes of a Result's Transcript
	maxQuoted     = 200     // bytes kept of one entry
)

// A transcript records what a probe and a server sent each other. The zero value is empty.
type transcript struct {
	entries []entry
}

// An entry is what one side sent until the other side did, or a remark.
type entry struct {
	verb string // "sent", "got", or a remark that stands alone
	kept []byte // at most maxQuoted
	size int
}

// pass records that b was sent or received. More in the same direction continues the entry.
func (t *transcript) pass(verb string, b []byte) {
	if len(b) == 0 {
		return
	}
	if n := len(t.entries); n == 0 || t.entries[n-1].verb != verb {
		t.entries = append(t.entries, entry{verb: verb})
	}
	e := &t.entries[len(t.entries)-1]
	e.size += len(b)
	e.kept = append(e.kept, b[:min(len(b), maxQuoted-len(e.kept))]...)
}

// remark records a remark.
func (t *transcript) remark(format string, args ...any) {
	t.entries = append(t.entries, entry{verb: fmt.Sprintf(format, args...)})
}

// String returns one line, printable ASCII: sent "PING\r\n"; got "+PONG\r\n".
func (t *transcript) String() string {
	var line []byte
	for i, e := range t.entries {
		if i > 0 {
			line = append(line, "; "...)
		}
		line = e.appendTo(line)
	}
	if len(line) > maxTranscript {
		line = append(line[:maxTranscript-len("...")], "..."...)
	}
	return string(line)
}

func (e entry) appendTo(line []byte) []byte {
	line = append(line, e.verb...)
	if e.size == 0 {
		return line
	}
	line = strconv.AppendQuoteToASCII(append(line, ' '), string(e.kept))
	if more := e.size - len(e.kept); more > 0 {
		line = fmt.Appendf(line, " and %d bytes more", more)
	}
	return line
}
