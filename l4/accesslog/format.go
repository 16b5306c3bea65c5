package accesslog

import "fmt"

// A Format is how a line is written.
type Format uint8

// The formats. The zero value writes no lines.
const (
	Off  Format = iota
	Text        // key=value pairs, for reading
	JSON        // one object a line, for programs
)

var formatNames = [...]string{Off: "off", Text: "text", JSON: "json"}

// String returns the name that UnmarshalText reads.
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return "unknown"
}

// MarshalText returns what String returns.
func (f Format) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads "text", "json" or "off".
func (f *Format) UnmarshalText(text []byte) error {
	for i, name := range formatNames {
		if string(text) == name {
			*f = Format(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no log format; there are text, json and off", text)
}
