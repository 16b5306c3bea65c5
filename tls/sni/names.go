package sni

import (
	"fmt"
	"iter"
	"maps"
	"strings"
)

// A Pattern says which names an operator means: one name ("db.example.com"), all names with one label in place of the
// star ("*.example.com"), or everything else ("*"), which includes clients that give no name.
type Pattern string

// Rest is the Pattern for all names that no other one matches.
const Rest Pattern = "*"

// MarshalText returns the pattern.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p), nil }

// UnmarshalText reads a pattern in any case, with or without a dot at its end.
func (p *Pattern) UnmarshalText(text []byte) error {
	name := string(lower([]byte(string(text))))
	if name != string(Rest) && !isName(strings.TrimPrefix(name, "*.")) {
		return fmt.Errorf(
			"%q is no name to route by: write db.example.com, *.example.com for one label more, or * for the rest%s",
			text, hint(name))
	}
	*p = Pattern(name)
	return nil
}

// hint says what may have been meant instead.
func hint(name string) string {
	switch {
	case strings.Contains(name, ":"):
		return " (without a port; clients send no name for an address)"
	case strings.Trim(name, "0123456789.") == "" && name != "":
		return " (clients send no name for an address)"
	case strings.Contains(name, "*"):
		return " (a * stands for a whole label, the first)"
	case strings.ContainsFunc(name, func(r rune) bool { return r > 127 }):
		return " (other letters than a to z are written as punycode, xn--…)"
	}
	return ""
}

// key returns the key of p in Names: a name, the end of one from its first dot on, or "".
func (p Pattern) key() string { return strings.TrimPrefix(string(p), "*") }

// Names holds values by Pattern. The zero value is empty. Several goroutines may read it while nobody adds to it.
type Names[T any] struct {
	values map[string]T // by Pattern.key
}

// A DuplicateError is the error of adding a Pattern twice.
type DuplicateError struct{ Pattern Pattern }

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("%q is given twice: a name can lead to one place only", string(e.Pattern))
}

// Add makes v the value for p. Its only error is a *DuplicateError. Patterns may overlap: Lookup takes the most
// specific one.
func (n *Names[T]) Add(p Pattern, v T) error {
	if _, ok := n.values[p.key()]; ok {
		return &DuplicateError{p}
	}
	if n.values == nil {
		n.values = make(map[string]T)
	}
	n.values[p.key()] = v
	return nil
}

// Lookup returns the value for name: that of the name itself, else that of the wildcard for its first label, else that
// of Rest. name must be in lower case and without a dot at its end, as in a Hello. Lookup does not allocate.
func (n *Names[T]) Lookup(name string) (v T, ok bool) {
	if v, ok = n.values[name]; ok {
		return v, true
	}
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		if v, ok = n.values[name[dot:]]; ok {
			return v, true
		}
	}
	v, ok = n.values[Rest.key()]
	return v, ok
}

// Len returns how many patterns there are.
func (n *Names[T]) Len() int { return len(n.values) }

// Values returns the values of all patterns, in any order. A value of several patterns comes several times.
func (n *Names[T]) Values() iter.Seq[T] { return maps.Values(n.values) }
