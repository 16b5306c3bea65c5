package profile

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// maxTicketKeys bounds the work for a ticket that fits no key: each key is tried.
const maxTicketKeys = 16

// A ticketKey is a line of the file. Tickets are encrypted with keys that are derived from it.
type ticketKey [32]byte

// Tickets are session ticket keys from a file. With them sessions are resumed after a restart, and on any machine that
// has the same file. The file has one key a line: 32 random bytes in base64 (`openssl rand -base64 32`). The first one
// encrypts, all decrypt. To change keys, put the new one second on all machines, then first on all machines. Remove the
// old one a week later, when no ticket of it is left. Empty lines and lines that begin with # are skipped.
type Tickets struct {
	file  watched[[]ticketKey]
	mu    sync.Mutex
	bound []binding
}

// A binding is a Config that has keys, with the digest of its rules for clients.
type binding struct {
	config *tls.Config
	rules  [sha256.Size]byte
}

// LoadTickets reads the file.
func LoadTickets(path string) (*Tickets, error) {
	t := new(Tickets)
	if err := t.file.open(path, parseTicketKeys); err != nil {
		return nil, err
	}
	return t, nil
}

// parseTicketKeys reads keys. Its errors never quote one.
func parseTicketKeys(text []byte) (keys []ticketKey, err error) {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		b, err := base64.StdEncoding.DecodeString(string(line))
		if err != nil || len(b) != len(ticketKey{}) {
			return nil, fmt.Errorf(
				"line %d is no session ticket key: 32 random bytes in base64 are right (openssl rand -base64 32)",
				number)
		}
		if slices.Contains(keys, ticketKey(b)) {
			return nil, fmt.Errorf("line %d is a key that has been there before", number)
		}
		keys = append(keys, ticketKey(b))
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New(
			"no session ticket key in it: 32 random bytes in base64 are right (openssl rand -base64 32)")
	case len(keys) > maxTicketKeys:
		return nil, fmt.Errorf("%d session ticket keys in it: at most %d are right, as each is tried", len(keys),
			maxTicketKeys)
	}
	return keys, nil
}

// Check reads the file again if it has changed, and gives all listeners the new keys.
func (t *Tickets) Check() (Event, bool) {
	e, ok := t.file.check()
	if !ok || e.Err != nil {
		return e, ok
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.bound {
		t.set(b)
	}
	return e, ok
}

// bind gives c keys, now and whenever they change. Listeners with other rules for clients get other keys: a ticket
// contains the certificate that a client has shown, and must not be accepted where that certificate was not checked
// (RFC 8446, section 4.6.1).
func (t *Tickets) bind(c *tls.Config, rules [sha256.Size]byte) {
	b := binding{c, rules}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bound = append(t.bound, b)
	t.set(b)
}

// unbind ends what bind began. c may be nil.
func (t *Tickets) unbind(c *tls.Config) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bound = slices.DeleteFunc(t.bound, func(b binding) bool { return b.config == c })
}

func (t *Tickets) set(b binding) {
	keys := *t.file.value.Load()
	derived := make([][32]byte, len(keys))
	for i, k := range keys {
		derived[i] = k.derive(b.rules)
	}
	b.config.SetSessionTicketKeys(derived)
}

// derive returns the key for listeners whose rules have that digest (RFC 5869).
func (k ticketKey) derive(rules [sha256.Size]byte) (key [32]byte) {
	b, err := hkdf.Key(sha256.New, k[:], rules[:], "forebay session tickets 1", len(key))
	if err != nil {
		panic(err) // only for a key that is too long
	}
	return [32]byte(b)
}
