package health

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// MySQL logs in to MySQL or MariaDB and out again: the greeting, an account without a password, COM_QUIT.
//
// There is no clean way to leave before the login. A client that goes after the greeting, with FIN or reset, makes a
// warning in the log and is counted in Aborted_connects. After 100 of them (max_connect_errors, unless
// skip_name_resolve is set) the server blocks the host, and so all traffic from this machine. So the check needs an
// account, which needs no rights:
//
//	CREATE USER forebay
//
// With it the server logs nothing and counts nothing. Without it the check passes as well, and the server blocks
// nobody, but it logs "Access denied" each time. Where there can be no account, [TCP] checks without a trace.
type MySQL struct {
	Dialer
	User string // an account without a password; "": forebay
}

const (
	myProtocol = 10 // HandshakeV10 (MySQL Internals, "Protocol::HandshakeV10")
	// myCapabilities of HandshakeResponse41: LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH.
	myCapabilities = 0x1 | 0x200 | 0x8000 | 0x80000
	myMaxPacket    = 1 << 24
	myUTF8         = 33 // character set utf8_general_ci
	myQuit         = "\x01\x00\x00\x00\x01"

	myOK     = 0x00
	mySwitch = 0xfe
	myError  = 0xff
)

// errShortPacket is for a packet that is too short.
var errShortPacket = errors.New("a packet ends too early to be MySQL's")

// Probe logs in and out.
func (p MySQL) Probe(ctx context.Context, t Target) Result { return p.plainly(ctx, t, p.ask) }

func (p MySQL) ask(c *talk) error {
	greeting, sequence, err := myPacket(c)
	if err != nil {
		return fmt.Errorf("wait for the greeting: %w", err)
	}
	if greeting[0] == myError {
		return myRefusal(c, greeting)
	}
	plugin, err := myPlugin(greeting)
	if err != nil {
		return err
	}
	if err := c.send(p.login(sequence+1, plugin)); err != nil {
		return err
	}
	return p.verdict(c)
}

// verdict reads until the server has accepted or refused the account. The server may ask once for another way to prove
// an empty password.
func (p MySQL) verdict(c *talk) error {
	for range 2 {
		answer, sequence, err := myPacket(c)
		if err != nil {
			return fmt.Errorf("wait for the answer to the login: %w", err)
		}
		switch answer[0] {
		case myOK:
			c.goodbye = c.send(myQuit) == nil
			return nil
		case myError:
			return myRefusal(c, answer)
		case mySwitch:
			plugin, _, _ := bytes.Cut(answer[1:], []byte{0})
			if err := c.send(myFrame(sequence+1, noPassword(string(plugin)))); err != nil {
				return err
			}
			continue
		}
		return fmt.Errorf("answered the login with a packet that begins with %#02x, want OK", answer[0])
	}
	return errors.New("asked twice for another way to log in")
}

// login returns HandshakeResponse41.
func (p MySQL) login(sequence byte, plugin string) string {
	user := p.User
	if user == "" {
		user = "forebay"
	}
	b := binary.LittleEndian.AppendUint32(nil, myCapabilities)
	b = binary.LittleEndian.AppendUint32(b, myMaxPacket)
	b = append(append(b, myUTF8), make([]byte, 23)...)
	b = append(b, user+"\x00"...)
	proof := noPassword(plugin)
	b = append(append(b, byte(len(proof))), proof...)
	b = append(b, plugin+"\x00"...)
	return myFrame(sequence, string(b))
}

// noPassword returns the proof of an empty password. Plugins that hash with SHA-256 want a zero byte
// (sha256_password_authenticate and caching_sha2_password_authenticate in the server), the others nothing.
func noPassword(plugin string) string {
	if strings.Contains(plugin, "sha") {
		return "\x00"
	}
	return ""
}

// myFrame puts the header before a packet: three bytes for the length, one for the sequence number.
func myFrame(sequence byte, body string) string {
	n := len(body)
	return string([]byte{byte(n), byte(n >> 8), byte(n >> 16), sequence}) + body
}

// myPacket reads a packet. The body has at least one byte.
func myPacket(c *talk) (body []byte, sequence byte, err error) {
	head, err := c.next(4)
	if err != nil {
		return nil, 0, err
	}
	size := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if size == 0 || size > maxAnswer {
		return nil, 0, fmt.Errorf("a packet of %d bytes is none of MySQL's", size)
	}
	body, err = c.next(size)
	return body, head[3], err
}

// myPlugin returns the name of the plugin that checks passwords, from a HandshakeV10; "" where the server names none.
func myPlugin(b []byte) (string, error) {
	if b[0] != myProtocol {
		return "", fmt.Errorf("greeted with protocol %d, want %d", b[0], myProtocol)
	}
	_, b, found := bytes.Cut(b[1:], []byte{0}) // the version
	const fixed = 4 + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10
	if !found || len(b) < fixed {
		return "", errShortPacket
	}
	salt := max(13, int(b[fixed-11])-8) // the rest of it
	b = b[fixed:]
	if len(b) < salt {
		return "", nil
	}
	plugin, _, _ := bytes.Cut(b[salt:], []byte{0})
	return string(plugin), nil
}

// myRefusal reads an ERR packet: its mark, a number, a text, and before the text "#" and five bytes of SQLSTATE if it
// comes after the greeting. A server that refuses an account is up.
func myRefusal(c *talk, b []byte) error {
	c.goodbye = true // the server closes after it
	if len(b) < 3 {
		return errShortPacket
	}
	code, text := binary.LittleEndian.Uint16(b[1:]), string(b[3:])
	state := ""
	if rest, ok := strings.CutPrefix(text, "#"); ok && len(rest) >= 5 {
		state, text = rest[:5], rest[5:]
	}
	if strings.HasPrefix(state, invalidAccess) {
		c.said.remark("up, but logs this: give it the account (CREATE USER)")
		return nil
	}
	return fmt.Errorf("refused: %s (error %d)", inLine(text), code)
}
