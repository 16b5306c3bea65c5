package health

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"forebay/pool"
)

// isStep reports whether item begins like a step of a script.
func isStep(item string) bool {
	word, _, ok := strings.Cut(item, ":")
	return ok && slices.Contains([]string{"send", "expect", "match"}, word)
}

// readItem reads a step of a script, or an option.
func (c *Check) readItem(item string, seen map[string]bool) error {
	if c.kind == script && isStep(item) {
		return c.readStep(item)
	}
	key, value, hasValue := strings.Cut(item, "=")
	if !slices.Contains(c.kind.options(), key) {
		return c.unknownOption(item, key)
	}
	if seen[key] {
		return fmt.Errorf("option %s is there twice", key)
	}
	seen[key] = true
	if hasValue == (key == "tls") {
		return wrongForm(key, value)
	}
	return c.readOption(key, value)
}

func wrongForm(key, value string) error {
	if key == "tls" {
		return fmt.Errorf("option tls takes no value, not %q: leave it out where it is not meant", value)
	}
	return fmt.Errorf("option %s has no value: write %s=…", key, key)
}

func (c *Check) unknownOption(item, key string) error {
	known := c.kind.options()
	switch near := pool.Nearest(key, known); {
	case item == "":
		return errors.New("a comma with nothing after it")
	case len(known) == 0:
		return fmt.Errorf("off takes no options, not %q", item)
	case near != "":
		return fmt.Errorf("unknown option %q: did you mean %s?", item, near)
	case c.kind == script:
		return fmt.Errorf(
			`%q is neither a step (send:, expect:, match:) nor an option (%s); a comma within a step is written \,`,
			item, strings.Join(known, ", "))
	}
	return fmt.Errorf("a check by %s has no option %q: there are %s", c.kind, item, strings.Join(known, ", "))
}

func (c *Check) readStep(item string) error {
	word, text, _ := strings.Cut(item, ":")
	if text == "" {
		return fmt.Errorf("%s: with nothing after it: write %s:… with what to %s", word, word, word)
	}
	if word == "match" {
		p, err := readPattern(text)
		c.steps = append(c.steps, Step{Match: p})
		return err
	}
	b, err := unescape(text)
	step := Step{Send: b}
	if word == "expect" {
		step = Step{Expect: b}
	}
	c.steps = append(c.steps, step)
	return err
}

func readPattern(text string) (*Pattern, error) {
	p := new(Pattern)
	return p, p.UnmarshalText([]byte(uncomma(text)))
}

func (c *Check) readOption(key, value string) (err error) {
	switch key {
	case "at":
		c.at, err = readPlace(value)
	case "name":
		c.name, err = readName(value)
	case "tls":
		c.secure = true
	case "verify":
		c.unverified, err = true, only(key, value, "off")
	case "proxy":
		err = c.readHeader(value)
	case "user":
		c.user, err = readWord(key, value)
	case "database":
		c.database, err = readWord(key, value)
	default:
		err = c.readPageOption(key, value)
	}
	return err
}

func (c *Check) readPageOption(key, value string) (err error) {
	switch key {
	case "status":
		err = c.page.Status.UnmarshalText([]byte(value))
	case "body":
		if c.page.Body, err = unescape(value); value == "" {
			err = errors.New("option body has no value: write body=… with what the body contains")
		}
	case "match":
		c.page.Match, err = readPattern(value)
	case "method":
		c.page.Method = value
		if value == "" || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			err = fmt.Errorf("%q is no method: write one in capitals, such as %s", value, http.MethodHead)
		}
	}
	return err
}

func only(key, value, right string) error {
	if value != right {
		return fmt.Errorf("option %s takes %s, not %q: leave it out where it is not meant", key, right, value)
	}
	return nil
}

// readName reads a host, written as before a port.
func readName(value string) (string, error) {
	at, err := readPlace(value + ":1")
	if err == nil && at.host == "" {
		err = fmt.Errorf("%q is no host", value)
	}
	return at.host, err
}

func (c *Check) readHeader(value string) error {
	for _, h := range []Header{NoHeader, HeaderV1, HeaderV2} {
		if value == h.String() {
			c.header, c.own = h, true
			return nil
		}
	}
	return fmt.Errorf("%q is no version of the PROXY protocol: write v1, v2 or off", value)
}

func readWord(key, value string) (string, error) {
	word := uncomma(value)
	if word == "" || len(word) > 128 || strings.ContainsFunc(word, func(r rune) bool { return r < ' ' }) {
		return "", fmt.Errorf("%q is no name for option %s: write up to 128 characters that can be printed", value, key)
	}
	return word, nil
}
