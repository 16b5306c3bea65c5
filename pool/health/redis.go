package health

import (
	"context"
	"fmt"
	"strings"
	"unicode"
)

// Redis sends PING. A server whose answer asks for a password or refuses a permission is up. It is not up while it
// loads its data, while a script keeps it from answering, or while it may not answer because its master is lost. The
// server logs nothing about PING at its default level.
type Redis struct {
	Dialer
	Secure bool // speaks TLS
}

// Probe sends PING and reads one line.
func (p Redis) Probe(ctx context.Context, t Target) Result {
	if p.Secure {
		return p.securely(ctx, t, nil, p.ask)
	}
	return p.plainly(ctx, t, p.ask)
}

func (p Redis) ask(c *talk) error {
	// an array of one (https://redis.io/docs/latest/develop/reference/protocol-spec)
	if err := c.send("*1\r\n$4\r\nPING\r\n"); err != nil {
		return err
	}
	answer, err := c.line()
	if err != nil {
		return fmt.Errorf("wait for +PONG: %w", err)
	}
	for _, alive := range []string{"+PONG", "-NOAUTH ", "-NOPERM ", "-ERR operation not permitted"} {
		if strings.HasPrefix(answer, alive) {
			return nil
		}
	}
	return fmt.Errorf("got %q, want +PONG", clip(answer))
}

// inLine is clip for a text that stands in a line without quotes: control characters become spaces.
func inLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, clip(s))
}

// clip shortens what a server sent to a length that an error can quote.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
