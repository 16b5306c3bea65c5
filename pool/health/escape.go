package health

import (
	"fmt"
	"strconv"
	"strings"
)

// splitItems splits at commas without a backslash before them. It does not unescape the pieces.
func splitItems(text string) []string {
	var items []string
	start := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ',':
			items = append(items, text[start:i])
			start = i + 1
		}
	}
	return append(items, text[start:])
}

// unescape reads what an operator writes for bytes: \r \n \t \0 \\ \, and \xHH; everything else stands for itself.
func unescape(text string) ([]byte, error) {
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b = append(b, text[i])
			continue
		}
		i++
		c, width, err := escaped(text[i:])
		if err != nil {
			return nil, err
		}
		b = append(b, c)
		i += width - 1
	}
	return b, nil
}

// escaped returns the byte that the escape after a backslash stands for, and the length of that escape.
func escaped(rest string) (c byte, width int, err error) {
	if rest == "" {
		return 0, 0, fmt.Errorf(`a backslash at the end: write \\ for one`)
	}
	switch rest[0] {
	case 'r':
		return '\r', 1, nil
	case 'n':
		return '\n', 1, nil
	case 't':
		return '\t', 1, nil
	case '0':
		return 0, 1, nil
	case '\\', ',':
		return rest[0], 1, nil
	case 'x':
		return hexByte(rest)
	}
	return 0, 0, fmt.Errorf(`unknown escape %q: there are \r \n \t \0 \\ \, and \xHH`, `\`+rest[:1])
}

func hexByte(rest string) (c byte, width int, err error) {
	if len(rest) >= 3 {
		if n, err := strconv.ParseUint(rest[1:3], 16, 8); err == nil {
			return byte(n), 3, nil
		}
	}
	return 0, 0, fmt.Errorf(`%q is no byte: two hexadecimal digits follow \x`, `\`+rest[:min(len(rest), 3)])
}

// escape writes b so that unescape reads it.
func escape(b []byte) string {
	var text strings.Builder
	for _, c := range b {
		switch {
		case c == '\r':
			text.WriteString(`\r`)
		case c == '\n':
			text.WriteString(`\n`)
		case c == '\t':
			text.WriteString(`\t`)
		case c == '\\' || c == ',':
			text.Write([]byte{'\\', c})
		case c < ' ' || c > '~':
			fmt.Fprintf(&text, `\x%02x`, c)
		default:
			text.WriteByte(c)
		}
	}
	return text.String()
}

// uncomma removes the backslash before commas. Other escapes stay, for texts with a syntax of their own.
func uncomma(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			if text[i+1] != ',' {
				b.WriteByte('\\')
			}
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// encomma is the inverse of uncomma: it puts a backslash before each comma.
func encomma(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			b.WriteByte('\\')
			i++
		case text[i] == ',':
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
