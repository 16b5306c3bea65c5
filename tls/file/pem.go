package file

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Block is one block of a PEM file (RFC 7468), with the number of the line that it begins in.
type Block struct {
	pem.Block
	Line int
}

// Encrypted reports whether b is a private key that needs a passphrase.
func (b Block) Encrypted() bool {
	return b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != ""
}

// Blocks returns all blocks of a PEM file, in order: one for each BEGIN. A block that is not whole is an error with its
// line. pem.Decode would skip it, and a chain without one of its certificates would look good.
//
// A block may begin anywhere in a line: after another block or after text, as where files without a last line end were
// joined. Lines may be indented, and may end in CR, LF or both. Text between blocks is skipped, and so is a block that
// is commented out, with a # before each of its lines.
func Blocks(text []byte) (all []Block, err error) {
	s := scanner{text: text}
	for {
		begin, ok := s.next()
		switch {
		case !ok:
			return all, nil
		case begin.fault != nil:
			return nil, s.at(begin.start, begin.fault)
		case begin.ends:
			return nil, s.at(begin.start,
				fmt.Errorf("%s ends there and has not begun: its BEGIN line is missing or damaged", begin.label))
		}
		block, err := s.block(begin)
		if err != nil {
			return nil, err
		}
		all = append(all, block)
	}
}

// A scanner reads a PEM file from its beginning to its end.
type scanner struct {
	text    []byte
	pos     int
	counted int // up to this index there are ended line ends
	ended   int
}

// line returns the number of the line that has the byte at i. It is fast for calls with ascending i.
func (s *scanner) line(i int) int {
	if i < s.counted {
		s.counted, s.ended = 0, 0
	}
	for s.counted < i {
		size := lineSize(s.text[s.counted:])
		if s.counted+size > i || s.text[s.counted+size-1] != '\n' && s.text[s.counted+size-1] != '\r' {
			break
		}
		s.counted += size
		s.ended++
	}
	return s.ended + 1
}

func (s *scanner) at(i int, err error) error { return fmt.Errorf("line %d: %w", s.line(i), err) }

// block reads the block that begins with begin, up to its end.
func (s *scanner) block(begin marker) (b Block, err error) {
	end, ok := s.next()
	switch {
	case !ok:
		return b, s.at(begin.start, fmt.Errorf("%s begins there and does not end: is the file cut off?", begin.label))
	case end.fault != nil:
		return b, s.at(end.start, end.fault)
	case !end.ends || end.label != begin.label:
		return b, s.at(begin.start,
			fmt.Errorf("%s begins there and does not end before line %d", begin.label, s.line(end.start)))
	}
	b = Block{pem.Block{Type: begin.label}, s.line(begin.start)}
	data := begin.end
	if bytes.IndexByte(s.text[begin.end:end.start], ':') >= 0 {
		b.Headers, data = s.headers(begin.end, end.start)
	}
	var wrong int
	if b.Bytes, wrong = decode(s.text[data:end.start]); wrong >= 0 {
		return b, s.at(data+wrong,
			fmt.Errorf("%s, which begins in line %d, is damaged there: that is no base64", begin.label, b.Line))
	}
	return b, nil
}

// headers reads the header lines between from and to (RFC 1421, section 4.6). data is the index where the data begins.
func (s *scanner) headers(from, to int) (all map[string]string, data int) {
	all = map[string]string{}
	last := ""
	for data = from; data < to; {
		size := lineSize(s.text[data:to])
		line := string(s.text[data : data+size])
		key, value, found := strings.Cut(line, ":")
		blank := strings.TrimFunc(line, isSpace) == ""
		switch {
		case blank && last != "":
			return all, data + size
		case found:
			last = strings.TrimFunc(key, isSpace)
			all[last] = strings.TrimFunc(value, isSpace)
		case !blank && last != "" && (line[0] == ' ' || line[0] == '\t'): // the header goes on
			all[last] += strings.TrimFunc(line, isSpace)
		case !blank:
			return all, data
		}
		data += size
	}
	return all, to
}

// lineSize returns the length of the first line of b, with its end.
func lineSize(b []byte) int {
	i := bytes.IndexAny(b, "\r\n")
	switch {
	case i < 0:
		return len(b)
	case bytes.HasPrefix(b[i:], []byte("\r\n")):
		return i + 2
	}
	return i + 1
}

const (
	hyphens     = "-----"
	mostOfLabel = 64 // bytes between the hyphens of a marker
)

// A marker is -----BEGIN LABEL----- or -----END LABEL-----, or text that was probably meant to be one.
type marker struct {
	start, end int // in the text
	ends       bool
	label      string
	fault      error // what is wrong with it; nil: nothing
}

// next returns the next marker. One in a comment does not count.
func (s *scanner) next() (m marker, ok bool) {
	for s.pos < len(s.text) {
		i := nearestWord(s.text[s.pos:])
		if i < 0 {
			break
		}
		m, ok := s.marker(s.pos + i)
		if ok && !s.commented(m) {
			s.pos = m.end
			return m, true
		}
		s.pos += i + 1
	}
	s.pos = len(s.text)
	return m, false
}

// nearestWord returns the index of the next BEGIN or END in text, or -1.
func nearestWord(text []byte) int {
	for at := 0; ; at++ {
		i := bytes.IndexByte(text[at:], 'E')
		if i < 0 {
			return -1
		}
		at += i
		if at > 0 && bytes.HasPrefix(text[at-1:], []byte("BEGIN")) {
			return at - 1
		}
		if bytes.HasPrefix(text[at:], []byte("END")) {
			return at
		}
	}
}

// marker reads the marker whose BEGIN or END is at i.
func (s *scanner) marker(i int) (m marker, ok bool) {
	word := "BEGIN"
	if m.ends = s.text[i] == 'E'; m.ends {
		word = "END"
	}
	rest := s.text[i+len(word):]
	m.start = s.pos + len(bytes.TrimRight(s.text[s.pos:i], "-"))
	if inside, _, found := bytes.Cut(rest[:min(len(rest), mostOfLabel+len(hyphens))], []byte(hyphens)); found &&
		i-m.start >= len(hyphens) {
		m.label = strings.Join(strings.Fields(string(inside)), " ")
		m.end = i + len(word) + len(inside) + len(hyphens)
		if m.label != "" && !strings.Contains(m.label, "-") && isSpace(rune(inside[0])) {
			return m, true
		}
	}
	m.label, m.end = likelyLabel(rest, i > m.start), i+len(word)
	if m.label == "" {
		return m, false
	}
	m.fault = fmt.Errorf("%s %s has not five hyphens on each side: write %[3]s%[1]s %[2]s%[3]s", word, m.label, hyphens)
	return m, true
}

// likelyLabel returns the label at the beginning of rest, the text after BEGIN or END. It returns "" unless the label
// is a known one and there are dashes of any kind on one side: plain text contains such words, too.
func likelyLabel(rest []byte, dashed bool) string {
	inside := bytes.TrimLeft(rest[:min(len(rest), mostOfLabel)], " \t")
	size := 0
	for size < len(inside) && (inside[size] == ' ' || inside[size] >= '0' && inside[size] <= '9' ||
		inside[size] >= 'A' && inside[size] <= 'Z') {
		size++
	}
	words := strings.Fields(string(inside[:size]))
	next, _ := utf8.DecodeRune(inside[size:])
	spaced := len(rest) > 0 && rest[0] == ' '
	if len(words) == 0 || !dashed && !(spaced && isDash(next)) {
		return ""
	}
	known := []string{"CERTIFICATE", "KEY", "CRL", "PARAMETERS", "REQUEST", "ECHCONFIG", "PKCS7"}
	if !slices.Contains(known, words[len(words)-1]) {
		return ""
	}
	return strings.Join(words, " ")
}

// isDash reports whether r is a hyphen, or a dash that word processors make of one.
func isDash(r rune) bool { return r == '-' || r >= '‐' && r <= '―' || r == '−' }

// commented reports whether m is in a comment. Where a comment has lost its line end, the block after it begins in the
// comment's line; m is not in the comment then, as the next line has no # before it.
func (s *scanner) commented(m marker) bool {
	first := bytes.LastIndexAny(s.text[:m.start], "\r\n") + 1
	if !bytes.HasPrefix(bytes.TrimLeft(s.text[first:m.start], " \t\ufeff"), []byte("#")) {
		return false
	}
	behind := s.text[m.end:]
	size := lineSize(behind)
	following := bytes.TrimLeft(behind[size:], " \t")
	alone := len(bytes.TrimSpace(behind[:size])) == 0
	return m.ends || m.fault != nil || !alone || len(following) == 0 ||
		bytes.IndexByte([]byte("#-\r\n"), following[0]) >= 0
}
