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
	byName    map[string][]*tls.Certificate // "*.example.com" stands under ".example.com"
	first     []*tls.Certificate            // of the first pair, and of others for the same names
	snapshots []Snapshot                    // in the order given
}

// newIndex indexes certificates in the order given, except that RSA comes last: its signature costs twenty times that
// of ECDSA.
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

// find returns the certificates for a name itself, and those for the wildcard in place of its first label.
func (x *index) find(name string) (exact, wild []*tls.Certificate) {
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		wild = x.byName[name[dot:]]
	}
	if name != "" && name[0] != '.' {
		exact = x.byName[name]
	}
	return exact, wild
}

// shadowed reports whether c is never served, since there is one with the same kind of key before it wherever it is
// looked up. One without names is another matter.
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

// choose returns the first certificate for the client's name that it can use. Where it can use none, it gets the first,
// and crypto/tls the words to say so. It is nil where there is none for the name.
func (x *index) choose(hello *tls.ClientHelloInfo) *tls.Certificate {
	exact, wild := x.find(normal(hello.ServerName))
	return pick(hello, exact, wild)
}

// pick returns the first of the certificates, exact ones before wild ones, that hello's client can use, or else the
// first.
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
	// The names have been compared, and the default certificate need not be for the client's.
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
