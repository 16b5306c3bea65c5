package health

import (
	"context"
	"crypto/tls"
	"fmt"
)

// A Check is a probe as an operator writes it. The zero Check is off.
//
//	off
//	tcp
//	tls
//	http://[HOST][:PORT][/PATH]   https://…
//	send:BYTES   expect:BYTES   match:REGEX   in any number and order
//	redis   postgres   mysql   smtp
//	exec:COMMAND
//
// A check goes where the traffic goes, unless another place follows tcp, tls or the name of a protocol: redis:6380,
// tcp:10.0.0.9:22, tls:unix:/run/app.sock. A URL names its place as usual, and a script has the option at=PORT. Options
// follow after commas. An option that a check has no use for is refused:
//
//	name=HOST       what TLS verifies and HTTP's Host says; else the backend's name
//	tls             for redis, smtp and scripts: over TLS
//	verify=off      takes any certificate
//	status=SET      for HTTP: 200-299+401; 200-299 where it is left out
//	body=BYTES      for HTTP: what the body contains
//	match=REGEX     for HTTP: what the body matches
//	method=METHOD   for HTTP: GET where it is left out
//	user=NAME       for postgres and mysql, see there
//	database=NAME   for postgres
//	proxy=VERSION   v1, v2 or off: the PROXY header LOCAL before anything else; where it is left out, as the traffic's
//	                if the check goes where the traffic goes, and off elsewhere
//
// BYTES may contain \r \n \t \0 \\ \, and \xHH. A comma in a REGEX, a path or a name is written \, as well. A COMMAND
// is everything to the end.
type Check struct {
	kind kind
	at   place
	name string

	header Header
	own    bool // the operator has set header

	secure     bool // of redis, smtp, script
	unverified bool

	page     HTTP // its Method, Path, Status, Body and Match
	user     string
	database string
	steps    []Step
	command  string
}

// A kind is the word that a check begins with. Only "script" is never written: a script begins with its first step.
type kind string

const (
	off      kind = ""
	onTCP    kind = "tcp"
	onTLS    kind = "tls"
	onHTTP   kind = "http"
	onHTTPS  kind = "https"
	redis    kind = "redis"
	postgres kind = "postgres"
	mysql    kind = "mysql"
	smtp     kind = "smtp"
	script   kind = "script"
	command  kind = "exec"
)

// options returns the options that a check of kind k takes.
func (k kind) options() []string {
	switch k {
	case onTCP:
		return []string{"proxy"}
	case onTLS:
		return []string{"name", "verify", "proxy"}
	case onHTTP:
		return []string{"name", "status", "body", "match", "method", "proxy"}
	case onHTTPS:
		return []string{"name", "verify", "status", "body", "match", "method", "proxy"}
	case redis, smtp:
		return []string{"tls", "name", "verify", "proxy"}
	case postgres:
		return []string{"user", "database", "proxy"}
	case mysql:
		return []string{"user", "proxy"}
	case script:
		return []string{"at", "tls", "name", "verify", "proxy"}
	}
	return nil
}

// Off reports whether nothing is asked.
func (c Check) Off() bool { return c.kind == off }

// Target returns where c goes for a backend at t: t itself, unless c names another place. Then nothing of c ever
// reaches t.Address. It is an error if c names a port and t is a UNIX socket.
func (c Check) Target(t Target) (Target, error) {
	t, err := c.at.of(t)
	if c.name != "" {
		t.Name = c.name
	}
	return t, err
}

// OverTLS returns c for backends with which sessions speak TLS. A check that goes where they go speaks TLS as well: tcp
// becomes tls, and http:/// becomes https:///. A check with a place of its own is not changed. A protocol that begins
// in clear is an error.
func (c Check) OverTLS() (Check, error) {
	if c.at != (place{}) {
		return c, nil
	}
	switch c.kind {
	case onTCP:
		c.kind = onTLS
	case onHTTP:
		c.kind = onHTTPS
	case redis, smtp, script:
		c.secure = true
	case postgres, mysql:
		return c, fmt.Errorf("a check by %s begins in clear, and sessions in TLS: write tls, or name the port that takes it, as in %s:PORT", c.kind, c.kind)
	}
	return c, nil
}

// Descriptors returns how many file descriptors c needs for one backend at a time, at most: one for a socket, two to
// look up a name before (A and AAAA), six to start a program.
func (c Check) Descriptors() int {
	switch {
	case c.Off():
		return 0
	case c.kind == command:
		return 6 // /dev/null, both ends of the pipe for its output and of the one for a failed start, the process
	case c.at.host != "":
		return 2
	}
	return 1
}

// Fits says why a backend at t can never pass c: it has no port, or it has no name to verify its certificate by and a
// Dialer's Config has none either.
func (c Check) Fits(t Target) error {
	t, err := c.Target(t)
	switch {
	case err != nil:
		return err
	case c.speaksTLS() && !c.unverified:
		return t.verifiable(nil)
	}
	return nil
}

// Doubting returns the Probe for times when sessions end without an answer, where c alone would pass although the
// process is dead and its kernel accepts. It is nil where c asks for more than a connection. d is used as in Probe.
func (c Check) Doubting(d Dialer) Probe {
	if !c.Proven() {
		return nil
	}
	return placed{c, Idle{c.dialer(d)}}
}

func (c Check) speaksTLS() bool { return c.secure || c.kind == onTLS || c.kind == onHTTPS }

// Probe returns the Probe that does c, over connections that d opens; nil if c is off. A place or a header of c's own
// replaces d's.
func (c Check) Probe(d Dialer) Probe {
	if c.Off() {
		return nil
	}
	return placed{c, c.probe(c.dialer(d))}
}

// dialer returns d with the settings of c.
func (c Check) dialer(d Dialer) Dialer {
	if c.own || c.at != (place{}) {
		d.Header = c.header
	}
	if c.unverified {
		d.TLS = withoutVerification(d.TLS)
	}
	return d
}

func withoutVerification(config *tls.Config) *tls.Config {
	if config == nil {
		return &tls.Config{InsecureSkipVerify: true}
	}
	config = config.Clone()
	config.InsecureSkipVerify = true
	config.VerifyConnection, config.VerifyPeerCertificate = nil, nil
	return config
}

func (c Check) probe(d Dialer) Probe {
	switch c.kind {
	case onTCP:
		return TCP{d}
	case onTLS:
		return TLS{d}
	case onHTTP, onHTTPS:
		page := c.page
		page.Dialer, page.Secure = d, c.kind == onHTTPS
		return page
	case redis:
		return Redis{d, c.secure}
	case postgres:
		return Postgres{d, c.user, c.database}
	case mysql:
		return MySQL{d, c.user}
	case smtp:
		return SMTP{d, c.secure}
	case script:
		return Script{d, c.secure, c.steps}
	}
	return Command{c.command, d.Children}
}

// placed is a probe that goes where its check says.
type placed struct {
	check Check
	probe Probe
}

// Probe asks there, and nowhere else.
func (p placed) Probe(ctx context.Context, t Target) Result {
	elsewhere, err := p.check.Target(t)
	if err != nil {
		return Result{Err: fmt.Errorf("check %s: %w", p.check, err)}
	}
	return p.probe.Probe(ctx, elsewhere)
}
