package health

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
)

// Postgres asks PostgreSQL, or a pooler that speaks its protocol, whether it answers.
//
// Without User it asks whether TLS may be spoken (SSLRequest), waits for the one byte of the answer, and leaves with
// FIN. The server has started a process for it by then; it takes such a guest for a client that did not like the
// answer, and logs nothing (ProcessStartupPacket in its backend_startup.c). A reset in place of FIN is logged as "could
// not receive data from client".
//
// A server that is starting up or shutting down answers that as well. With User the probe begins a session and waits
// until it is ready, and such a server is down, as is one with too many connections: who may only not have the last
// ones, which are reserved, is let in first and refused then. It leaves where a password is asked for, of which the
// server says nothing either. User should be one that the server knows, in a pg_hba.conf line without TLS: else it is
// up all the same, but logs a line of level FATAL for each check.
type Postgres struct {
	Dialer
	User     string // "": no session is begun
	Database string // "": the one named as User
}

const (
	protocol3     = 3 << 16         // StartupMessage of protocol 3.0 (PostgreSQL documentation, "Message Formats")
	sslRequest    = 1234<<16 | 5679 // SSLRequest
	pgTerminate   = "X\x00\x00\x00\x04"
	pgAuthentic   = 'R' // AuthenticationOk, or a wish for a password
	pgError       = 'E' // ErrorResponse
	pgReady       = 'Z' // ReadyForQuery
	pgMaxMessage  = 30_000
	invalidAccess = "28" // the SQLSTATE class of a refused account (SQL standard; MySQL has it, too)
)

// Probe begins what User says, and leaves.
func (p Postgres) Probe(ctx context.Context, t Target) Result {
	if p.User != "" {
		return p.plainly(ctx, t, p.session)
	}
	return p.plainly(ctx, t, p.wish)
}

// wish sends SSLRequest: 'S' and 'N' are the answers (documentation, "SSL Session Encryption").
func (p Postgres) wish(c *talk) error {
	b := binary.BigEndian.AppendUint32(nil, 8)
	if err := c.send(string(binary.BigEndian.AppendUint32(b, sslRequest))); err != nil {
		return err
	}
	answer, err := c.next(1)
	if err != nil {
		return fmt.Errorf("wait for the answer to SSLRequest: %w", err)
	}
	switch answer[0] {
	case 'S', 'N':
		return nil
	case pgError:
		return p.refusal(c)
	}
	return fmt.Errorf("answered SSLRequest with %q, want S or N", answer)
}

func (p Postgres) session(c *talk) error {
	if err := c.send(p.startup()); err != nil {
		return err
	}
	kind, err := c.next(1)
	if err != nil {
		return fmt.Errorf("wait for the answer to the start of a session: %w", err)
	}
	switch kind[0] {
	case pgAuthentic:
		return p.enter(c)
	case pgError:
		return p.refusal(c)
	}
	return fmt.Errorf("answered the start of a session with %q, want R", kind)
}

func (p Postgres) startup() string {
	b := binary.BigEndian.AppendUint32(make([]byte, 4), protocol3)
	b = append(b, "user\x00"+p.User+"\x00"...)
	if p.Database != "" {
		b = append(b, "database\x00"+p.Database+"\x00"...)
	}
	b = append(b, "application_name\x00forebay\x00\x00"...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return string(b)
}

// enter waits until a session that was let in is ready, and ends it. One that was asked for a password ends by FIN.
func (p Postgres) enter(c *talk) error {
	body, err := pgBody(c)
	if err != nil {
		return err
	}
	if len(body) != 4 || binary.BigEndian.Uint32(body) != 0 { // no AuthenticationOk
		return nil
	}
	for {
		kind, err := c.next(1)
		if err != nil {
			return fmt.Errorf("wait for the session to be ready: %w", err)
		}
		switch kind[0] {
		case pgReady:
			c.goodbye = c.send(pgTerminate) == nil
			return nil
		case pgError:
			return p.refusal(c)
		}
		if _, err := pgBody(c); err != nil { // of a parameter, a key, a notice
			return err
		}
	}
}

// refusal reads an ErrorResponse. Who refuses an account is up.
func (p Postgres) refusal(c *talk) error {
	body, err := pgBody(c)
	if err != nil {
		return err
	}
	c.goodbye = true // the server closes after it
	code, message := pgFields(body)
	if strings.HasPrefix(code, invalidAccess) || code == "3D000" { // or an unknown database
		return nil
	}
	return fmt.Errorf("refused: %s (SQLSTATE %s)", inLine(message), inLine(code))
}

// pgBody reads a message's length and then its body.
func pgBody(c *talk) ([]byte, error) {
	head, err := c.next(4)
	if err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size <= 4 || size > pgMaxMessage {
		return nil, fmt.Errorf("a message of %d bytes is none of PostgreSQL's", size)
	}
	return c.next(int(size) - 4)
}

// pgFields returns the fields C and M of an ErrorResponse: a byte, a string, and a NUL each.
func pgFields(body []byte) (code, message string) {
	for field := range bytes.SplitSeq(body, []byte{0}) {
		switch {
		case len(field) > 0 && field[0] == 'C':
			code = string(field[1:])
		case len(field) > 0 && field[0] == 'M':
			message = string(field[1:])
		}
	}
	return code, message
}
