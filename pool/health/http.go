package health

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// HTTP asks for a page and judges its status and, where wanted, its body. The request is HTTP/1.1 with Connection:
// close. Its User-Agent is forebay-check, so that a server's access log can leave it out.
type HTTP struct {
	Dialer
	Secure bool   // https
	Method string // "": GET
	Path   string // with query, as the request has it; "": /
	Status Status // empty: 200 to 299
	// Body is what the body must contain, and Match what it must match, within the first 64 KiB. Where both are empty,
	// the body is not read.
	Body  []byte
	Match *Pattern
}

// maxInterim is the number of answers of class 1xx at which the probe gives up (RFC 9110, section 15.2, sets no limit).
const maxInterim = 5

// Probe asks for the page.
func (p HTTP) Probe(ctx context.Context, t Target) Result {
	ask := func(c *talk) error { return p.ask(c, t) }
	if p.Secure {
		return p.securely(ctx, t, []string{"http/1.1"}, ask)
	}
	return p.plainly(ctx, t, ask)
}

func (p HTTP) ask(c *talk, t Target) error {
	if err := c.send(p.request(t)); err != nil {
		return err
	}
	c.goodbye = true // Connection: close
	answer, err := p.answer(c)
	if err != nil {
		return fmt.Errorf("wait for the answer: %w", plain(c.ctx, err))
	}
	if !p.Status.Contains(answer.StatusCode) {
		return fmt.Errorf("got status %d, want %s", answer.StatusCode, p.Status)
	}
	if len(p.Body) == 0 && p.Match == nil {
		return nil
	}
	return p.checkBody(c, answer.Body)
}

// request returns the request's bytes. Path and names contain no space or control character: the parser of Check
// ensures that.
func (p HTTP) request(t Target) string {
	return fmt.Sprintf(
		"%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: forebay-check\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		p.method(), orRoot(p.Path), p.host(t))
}

func (p HTTP) method() string {
	if p.Method == "" {
		return http.MethodGet
	}
	return p.Method
}

func orRoot(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// host returns the Host field: the name, and the port where it is not the scheme's own (RFC 9110, section 7.2).
func (p HTTP) host(t Target) string {
	if t.Network == "unix" {
		if t.Name == "" {
			return "localhost"
		}
		return t.Name
	}
	_, port, _ := net.SplitHostPort(t.Address)
	host := net.JoinHostPort(t.host(), port)
	if port == "80" && !p.Secure || port == "443" && p.Secure {
		return host[:len(host)-len(":")-len(port)]
	}
	return host
}

// answer reads the head of the answer, and skips interim answers.
func (p HTTP) answer(c *talk) (*http.Response, error) {
	buffered := bufio.NewReader(c)
	for range maxInterim {
		r, err := http.ReadResponse(buffered, &http.Request{Method: p.method()})
		if err != nil {
			return nil, err
		}
		if r.StatusCode >= 200 || r.StatusCode == http.StatusSwitchingProtocols {
			return r, nil
		}
	}
	return nil, fmt.Errorf("got %d answers of class 1xx and no other", maxInterim)
}

// checkBody reads the body, as far as the limit of the talk allows, and judges it.
func (p HTTP) checkBody(c *talk, body io.Reader) error {
	text, err := io.ReadAll(body)
	if err != nil && !errors.Is(err, errTooLong) {
		return fmt.Errorf("read the body: %w", plain(c.ctx, err))
	}
	if !bytes.Contains(text, p.Body) {
		return fmt.Errorf("the body %q does not contain %q", clip(string(text)), clip(string(p.Body)))
	}
	if p.Match != nil && p.Match.find(text) == 0 {
		return fmt.Errorf("the body %q does not match %s", clip(string(text)), p.Match)
	}
	return nil
}
