package certs

import (
	"crypto/rsa"
	"crypto/tls"
	"slices"
	"strings"
)

// An index finds certificates by name. It does not change.
type index struct {
	all       []*tls.Certificate            // in the order given
	byName    map[string][]*tls.Certificate // "*.example.com" has the key ".example.com"
	first     []*tls.Certificate            // those of the first pair, and of others for the same names
	snapshots []Snapshot                    // in the order given
}

// newIndex indexes certificates in the order given, with RSA last: an RSA signature costs twenty times an ECDSA one.
func newIndex(all []*tls.Certificate) *index {
	x := &index{all: all, byName: make(map[string][]*tls.Certificate)}
	names := namesOf(all[0].Leaf)
	first := all[0]
	ordered := slices.Clone(all)
	slices.SortStableFunc(ordered, func(a, b *tls.Certificate) int { return rank(a) - rank(b) })
	for _, c := range ordered {
		own := namesOf(c.Leaf)
		for _, n := range own {
			key := strings.TrimPrefix(n, "*")
			x.byName[key] = append(x.byName[key], c)
		}
		if c == first || len(own) > 0 && slices.Equal(own, names) {
			x.first = append(x.first, c)
		}
	}
	return x
}

func rank(c *tls.Certificate) int {
	if _, ok := c.Leaf.PublicKey.(*rsa.PublicKey); ok {
		return 1
	}
	return 0
}

// has reports whether there is a certificate for name.
func (x *index) has(name string) bool {
	exact, wild := x.find(normal(name))
	return len(exact)+len(wild) > 0
}

// find returns the certificates for the name itself, and those for a wildcard in place of its first label.
func (x *index) find(name string) (exact, wild []*tls.Certificate) {
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		wild = x.byName[name[dot:]]
	}
	if name != "" && name[0] != '.' {
		exact = x.byName[name]
	}
	return exact, wild
}

// shadowed reports whether c is never served, because under each of its names another with the same kind of key comes
// before it. It is false for a certificate without names.
func (x *index) shadowed(c *tls.Certificate) bool {
	kind := kindOf(c.Leaf)
	behind := func(list []*tls.Certificate) bool {
		return list[slices.IndexFunc(list, func(o *tls.Certificate) bool { return kindOf(o.Leaf) == kind })] != c
	}
	names := namesOf(c.Leaf)
	for _, n := range names {
		if !behind(x.byName[strings.TrimPrefix(n, "*")]) {
			return false
		}
	}
	return len(names) > 0 && (!slices.Contains(x.first, c) || behind(x.first))
}

// choose returns the first certificate for the client's name that the client can use. Where it can use none, choose
// returns the first, and crypto/tls then reports why it fails. It is nil where there is none for the name.
func (x *index) choose(hello *tls.ClientHelloInfo) *tls.Certificate {
	exact, wild := x.find(normal(hello.ServerName))
	return pick(hello, exact, wild)
}

// pick returns the first certificate that hello's client can use, exact before wild; the first of all where it can use
// none.
func pick(hello *tls.ClientHelloInfo, exact, wild []*tls.Certificate) *tls.Certificate {
	if len(exact)+len(wild) == 0 {
		return nil
	}
	if len(exact) == 0 {
		exact, wild = wild, nil
	}
	if len(exact)+len(wild) == 1 {
		return exact[0]
	}
	// The names have been compared already, and a default certificate need not be for the client's name.
	nameless := *hello
	nameless.ServerName = ""
	for _, list := range [...][]*tls.Certificate{exact, wild} {
		for _, c := range list {
			if nameless.SupportsCertificate(c) == nil {
				return c
			}
		}
	}
	return exact[0]
}
