package health

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// SMTP waits for the greeting, 220 (RFC 5321, section 4.2), sends QUIT and waits until the server has closed. It never
// speaks first: spammers do that, and some servers greet late to detect it. Postfix logs every connection (connect and
// disconnect); with QUIT it does not log "lost connection after CONNECT" as well. A server that should log nothing at
// all is checked by [TCP].
type SMTP struct {
	Dialer
	Secure bool // speaks TLS from the start (port 465)
}

// Probe reads the greeting and quits.
func (p SMTP) Probe(ctx context.Context, t Target) Result {
	if p.Secure {
		return p.securely(ctx, t, nil, p.ask)
	}
	return p.plainly(ctx, t, p.ask)
}

func (p SMTP) ask(c *talk) error {
	code, text, err := reply(c)
	if err != nil {
		return fmt.Errorf("wait for the greeting: %w", err)
	}
	if c.send("QUIT\r\n") == nil {
		c.goodbye = true
	}
	if code != 220 {
		return fmt.Errorf("greeted with %q, want 220", clip(text))
	}
	return nil
}

// reply reads a reply of one or more lines, and returns the last. All lines but the last have a hyphen after the code
// (RFC 5321, section 4.2.1).
func reply(c *talk) (code int, text string, err error) {
	for {
		if text, err = c.line(); err != nil {
			return 0, "", err
		}
		if code, err = replyCode(text); err != nil {
			return 0, "", err
		}
		if len(text) == 3 || text[3] == ' ' {
			return code, text, nil
		}
	}
}

func replyCode(line string) (int, error) {
	if len(line) >= 3 {
		code, err := strconv.ParseUint(line[:3], 10, 16)
		if err == nil && (len(line) == 3 || line[3] == ' ' || line[3] == '-') {
			return int(code), nil
		}
	}
	return 0, errors.New("got " + strconv.Quote(clip(line)) + ", want a line that begins with three digits")
}
