package health

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"forebay/pool"
)

// ParseCheck reads what an operator wrote. The error quotes the part that is wrong and says what would be right.
func ParseCheck(text string) (Check, error) {
	var c Check
	err := c.UnmarshalText([]byte(text))
	return c, err
}

// UnmarshalText is ParseCheck.
func (c *Check) UnmarshalText(text []byte) error {
	var read Check
	if err := read.read(string(text)); err != nil {
		return fmt.Errorf("check %q: %w", text, err)
	}
	*c = read
	return nil
}

func (c *Check) read(text string) error {
	if line, ok := strings.CutPrefix(text, "exec:"); ok {
		c.kind, c.command = command, line
		return checkCommand(line)
	}
	items := splitItems(text)
	rest, err := c.readHead(items)
	if err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, item := range rest {
		if err := c.readItem(item, seen); err != nil {
			return err
		}
	}
	return c.agree()
}

func checkCommand(line string) error {
	switch {
	case strings.TrimSpace(line) == "":
		return errors.New("no command: write exec:COMMAND, as for a shell")
	case strings.ContainsRune(line, 0):
		return errors.New("a command holds no NUL byte")
	}
	return nil
}

// readHead reads the beginning of a check, and returns the items after it. A script has nothing before its first step.
func (c *Check) readHead(items []string) ([]string, error) {
	head := items[0]
	if isStep(head) {
		c.kind = script
		return items, nil
	}
	if scheme, rest, ok := strings.Cut(head, "://"); ok {
		return items[1:], c.readURL(scheme, rest)
	}
	word, at, hasPlace := strings.Cut(head, ":")
	if err := c.readKind(word, at); err != nil {
		return nil, err
	}
	if !hasPlace {
		return items[1:], nil
	}
	if c.Off() {
		return nil, fmt.Errorf("off goes nowhere: leave out :%s", at)
	}
	var err error
	c.at, err = readPlace(at)
	return items[1:], err
}

func (c *Check) readKind(word, at string) error {
	switch k := kind(word); k {
	case "off":
		c.kind = off
		return nil
	case onTCP, onTLS, redis, postgres, mysql, smtp:
		c.kind = k
		return nil
	case onHTTP, onHTTPS:
		return fmt.Errorf("a check by HTTP is a URL: write %s:///PATH for the backend's own port, or %s://:%s/PATH",
			word, word, orPort(at))
	case command:
		return errors.New("no command: write exec:COMMAND, as for a shell")
	}
	return unknownKind(word)
}

func orPort(at string) string {
	if at == "" || strings.Trim(at, "0123456789") != "" {
		return "PORT"
	}
	return at
}

func kindWords() []string {
	return []string{"off", "tcp", "tls", "http://", "https://", "send:", "expect:", "match:", "redis", "postgres",
		"mysql", "smtp", "exec:"}
}

// otherWords returns the kinds by the words that other programs have for them.
func otherWords() map[string]string {
	return map[string]string{
		"none": "off", "no": "off", "false": "off", "on": "tcp", "yes": "tcp", "true": "tcp", "connect": "tcp",
		"ping": "tcp", "ssl": "tls",
		"pgsql": "postgres", "pg": "postgres", "postgresql": "postgres", "mariadb": "mysql", "valkey": "redis",
		"smtps":  "smtp,tls",
		"rediss": "redis,tls", "script": "send:… or expect:…", "external": "exec:COMMAND",
	}
}

func unknownKind(word string) error {
	if word == "" {
		return fmt.Errorf("nothing is written: there are %s", strings.Join(kindWords(), ", "))
	}
	if other := otherWords()[strings.ToLower(word)]; other != "" {
		return fmt.Errorf("there is no check %q: write %s", word, other)
	}
	if near := pool.Nearest(word, kindWords()); near != "" {
		return fmt.Errorf("there is no check %q: did you mean %s?", word, near)
	}
	return fmt.Errorf("there is no check %q: there are %s", word, strings.Join(kindWords(), ", "))
}

// readURL reads http://[HOST][:PORT][/PATH]. scheme and rest are the texts before and after "://".
func (c *Check) readURL(scheme, rest string) error {
	c.kind = kind(scheme)
	if c.kind != onHTTP && c.kind != onHTTPS {
		return fmt.Errorf("there is no check by %s://: write http:// or https://, or only the name of the protocol",
			scheme)
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if err := c.readPath(path); err != nil || authority == "" {
		return err
	}
	if strings.ContainsRune(authority, '@') {
		return errors.New("a URL here has no user or password before @")
	}
	at, err := readPlace(authority)
	if at.path != "" || err == nil && at.host == "" && !strings.HasPrefix(authority, ":") {
		return fmt.Errorf("%q is no host and port: write %s://:%s/ for another port of the backend", authority, scheme,
			orPort(authority))
	}
	c.at = at
	return err
}

func (c *Check) readPath(text string) error {
	path := uncomma(text)
	switch at := strings.IndexFunc(path, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }); {
	case at >= 0:
		return fmt.Errorf("the path %q holds %q: write it as %%%02X", path, path[at], path[at])
	case strings.ContainsRune(path, '#'):
		return errors.New("a request has no #fragment: leave it out, or write %23")
	case strings.HasPrefix(path, "?"):
		path = "/" + path
	}
	c.page.Path = orRoot(path)
	return nil
}

// agree says which parts of c contradict each other.
func (c *Check) agree() error {
	switch {
	case c.page.Method == http.MethodHead && (c.page.Body != nil || c.page.Match != nil):
		return errors.New("HEAD brings no body to look at: leave out method=HEAD, or body and match")
	case c.database != "" && c.user == "":
		return errors.New("option database is of no use without user: write user=… as well")
	case c.kind.speaksPlainly(c.secure) && (c.unverified || c.name != ""):
		return errors.New("options name and verify are of no use without tls: write tls as well")
	}
	return nil
}

// speaksPlainly reports whether a check of kind k speaks without TLS though it could speak TLS.
func (k kind) speaksPlainly(secure bool) bool {
	return !secure && slices.Contains([]kind{redis, smtp, script}, k)
}
