package health

import (
	"bytes"
	"context"
	"fmt"
)

// A Script is a dialogue: bytes to send and bytes to wait for, in order. It ends with FIN, after the last step or the
// first that fails.
type Script struct {
	Dialer
	Secure bool // speaks TLS
	Steps  []Step
}

// A Step has one of Send, Expect and Match; the other two are empty.
type Step struct {
	Send   []byte   // bytes to send
	Expect []byte   // bytes to wait for, anywhere in what the server sends from here on
	Match  *Pattern // the same, for a match
}

// Probe runs the script.
func (p Script) Probe(ctx context.Context, t Target) Result {
	if p.Secure {
		return p.securely(ctx, t, nil, p.play)
	}
	return p.plainly(ctx, t, p.play)
}

func (p Script) play(c *talk) error {
	for i, s := range p.Steps {
		if err := s.take(c); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func (s Step) take(c *talk) error {
	if len(s.Send) > 0 {
		return c.send(string(s.Send))
	}
	_, err := c.await(s.find)
	if err != nil {
		return fmt.Errorf("got %q, want %s: %w", clip(string(c.pending)), s.wanted(), err)
	}
	return nil
}

// find returns the index in b behind what is waited for, 0 if it is not in b.
func (s Step) find(b []byte) int {
	if s.Match != nil {
		return s.Match.find(b)
	}
	if at := bytes.Index(b, s.Expect); at >= 0 {
		return at + len(s.Expect)
	}
	return 0
}

func (s Step) wanted() string {
	if s.Match != nil {
		return "a match of " + s.Match.String()
	}
	return fmt.Sprintf("%q", clip(string(s.Expect)))
}
