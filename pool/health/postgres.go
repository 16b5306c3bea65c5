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
// FIN. The server has started a process for it by then. It logs nothing, as for any client that does not like the
// answer (ProcessStartupPacket in its backend_startup.c). It would log a reset as "could not receive data from client".
//
// A server that is starting up or shutting down answers SSLRequest as well. With User the probe begins a session and
// waits until that is ready. Then such a server is down, and so is one with too many connections. (Where only the
// reserved connections are left, the server lets the probe in first and refuses it afterwards.) The probe leaves where
// a password is asked for; the server logs nothing about that either. User should be one that the server knows, in a
// pg_hba.conf line without TLS. Else the check passes as well, but the server logs a line of level FATAL for each.
type Postgres struct {
	Dialer
	User     string // "": SSLRequest alone
	Database string // "": the one with User's name
}

const (
	protocol3     = 3 << 16         // StartupMessage of protocol 3.0 (PostgreSQL documentation, "Message Formats")
	sslRequest    = 1234<<16 | 5679 // SSLRequest
	pgTerminate   = "X\x00\x00\x00\x04"
	pgAuthentic   = 'R' // AuthenticationOk, or a request for a password
	pgError       = 'E' // ErrorResponse
	pgReady       = 'Z' // ReadyForQuery
	pgMaxMessage  = 30_000
	invalidAccess = "28" // the SQLSTATE class of a refused account (SQL standard; MySQL has it, too)
)

// Probe asks, with a session if User is set, and leaves.
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

// enter waits until a session is ready after the login, and ends it. Where a password is asked for, it ends at once, by
// FIN.
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

// refusal reads an ErrorResponse. A server that refuses an account is up.
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

// pgFields returns the fields C and M of an ErrorResponse. Each field is a byte, a string and a NUL.
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
