package profile

import (
	"crypto/tls"
	"encoding/base64"
	"strings"
	"testing"
)

// line returns a key as it stands in the file.
func line(b byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(b)), 32))) + "\n"
}

func loadTickets(t *testing.T, text string) (*Tickets, string) {
	t.Helper()
	path := write(t, t.TempDir(), "tickets", []byte(text))
	k, err := LoadTickets(path)
	return must(t, k, err), path
}

// resumes reports whether a session got from one server is resumed by another, in both versions of TLS.
func resumes(t *testing.T, h *house, from, to *tls.Config, shows *identity) bool {
	t.Helper()
	var got [2]bool
	for i, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := h.client(shows)
		client.MaxVersion = version
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		for _, server := range []*tls.Config{from, to} {
			state, serverErr, err := shake(t, server, client)
			if serverErr != nil || err != nil {
				t.Fatalf("%v, %v", serverErr, err)
			}
			got[i] = state.DidResume
		}
	}
	if got[0] != got[1] {
		t.Errorf("resumed in TLS 1.2: %v, in TLS 1.3: %v", got[0], got[1])
	}
	return got[0]
}

func TestTicketsSurviveRestarts(t *testing.T) {
	h := newHouse(t)
	load := func(text string) *tls.Config {
		k, _ := loadTickets(t, text)
		return h.config(t, Server{Tickets: k})
	}
	for _, c := range []struct {
		name, from, to string
		want           bool
	}{
		{"same file", line('a'), "# comment\n\n" + line('a'), true},
		{"key added in front", line('a'), line('b') + line('a'), true},
		{"key added behind", line('a'), line('a') + line('b'), true},
		{"first encrypts", line('b') + line('a'), line('a'), false},
		{"other key", line('a'), line('b'), false},
	} {
		if got := resumes(t, h, load(c.from), load(c.to), nil); got != c.want {
			t.Errorf("%s: resumed %v, want %v", c.name, got, c.want)
		}
	}
	own := h.config(t, Server{})
	if !resumes(t, h, own, own, nil) {
		t.Error("no file: not resumed by the same listener")
	}
	if resumes(t, h, own, h.config(t, Server{}), nil) {
		t.Error("no file: resumed by another listener")
	}
}

func TestTicketsAreReloaded(t *testing.T) {
	h := newHouse(t)
	k, path := loadTickets(t, line('a'))
	running := h.config(t, Server{Tickets: k})
	old, _ := loadTickets(t, line('a'))
	before := h.config(t, Server{Tickets: old})
	write(t, path[:strings.LastIndexByte(path, '/')], "tickets", []byte(line('b')))
	if e, ok := k.Check(); !ok || e.Err != nil {
		t.Fatalf("got %v, %v", e, ok)
	}
	if resumes(t, h, before, running, nil) {
		t.Error("a key that is gone still decrypts")
	}
	if next, _ := loadTickets(t, line('b')); !resumes(t, h, running, h.config(t, Server{Tickets: next}), nil) {
		t.Error("the new key does not encrypt")
	}
}

// TestTicketsKeepToTheirRules: the crucial one. All listeners have one file, one authority, and differ in one rule.
func TestTicketsKeepToTheirRules(t *testing.T) {
	h := newHouse(t)
	k, _ := loadTickets(t, line('a'))
	web := h.authority.client(t, "web")
	other := newAuthority(t, "other", nil)
	all, two, swapped := trusting(h.authority), trusting(h.authority, other), trusting(other, h.authority)
	rules := map[string]*Clients{
		"no certificate": nil,
		"required":       {Authorities: all},
		"optional":       {Authorities: all, Optional: true},
		"DNS":            {Authorities: all, Allow: Allow{DNS: []string{"web.example"}}},
		"common name":    {Authorities: all, Allow: Allow{CommonNames: []string{"web", "web.example"}}},
		"pin":            {Authorities: all, Allow: Allow{Pins: []Pin{PinOf(web.leaf)}}},
		"more authority": {Authorities: two},
	}
	configs := map[string]*tls.Config{}
	for name, r := range rules {
		configs[name] = h.config(t, Server{Clients: r, Tickets: k})
	}
	for from, c := range configs {
		if !resumes(t, h, c, h.config(t, Server{Clients: rules[from], Tickets: k}), web) {
			t.Errorf("%s: not resumed by another listener with the same rules", from)
		}
		for to, d := range configs {
			if from != to && resumes(t, h, c, d, web) {
				t.Errorf("a ticket of %q opens %q", from, to)
			}
		}
	}
	if !resumes(t, h, configs["more authority"], h.config(t, Server{Clients: &Clients{Authorities: swapped}, Tickets: k}), web) {
		t.Error("the order of authorities matters")
	}
}

func TestTicketKeysRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":     {"# nothing\n", "no session ticket key in it"},
		"too short": {line('a') + "YQ==\n", "line 2 is no session ticket key"},
		"no base64": {"secret key!\n", "line 1 is no session ticket key"},
		"twice":     {line('a') + line('b') + line('a'), "line 3 is a key that has been there before"},
		"too many":  {strings.Join(lines(17), ""), "17 session ticket keys"},
	} {
		_, err := LoadTickets(write(t, t.TempDir(), "tickets", []byte(c.text)))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q and no key", name, err, c.want)
		}
	}
}

func lines(n int) (list []string) {
	for i := range n {
		list = append(list, line('a'+byte(i)))
	}
	return list
}

func FuzzTicketKeys(f *testing.F) {
	f.Add([]byte(line('a') + "#\n\n" + line('b')))
	f.Fuzz(func(t *testing.T, text []byte) {
		if keys, err := parseTicketKeys(text); (err == nil) != (len(keys) > 0) {
			t.Errorf("got %d keys, %v", len(keys), err)
		}
	})
}
