package pool

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// address returns 192.0.2.1 with the given port.
func address(port int) Address {
	return TCPAddress(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(port)))
}

// configs returns one Config for each weight, named a, b, c ... or by number where there are many.
func configs(weights ...Weight) []Config {
	all := make([]Config, len(weights))
	for i, w := range weights {
		name := fmt.Sprint("b", i)
		if len(weights) <= 26 {
			name = string(rune('a' + i))
		}
		all[i] = Config{Name: name, Addrs: []Address{address(1000 + i)}, Weight: w}
	}
	return all
}

// equal returns n configs of weight 1.
func equal(n int) []Config { return configs(make([]Weight, n)...) }

func newPool(t testing.TB, o Options, backends []Config) *Pool {
	t.Helper()
	p, err := New(o, backends)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pick picks a backend, or fails the test.
func pick(t testing.TB, p *Pool, tried ...*Backend) Lease {
	t.Helper()
	l, err := p.Pick(&Request{Tried: tried})
	if err != nil {
		t.Fatalf("Pick: %v", err)
	}
	return l
}

// picks makes n sessions, one after the other, and returns the names of their backends in order.
func picks(t testing.TB, p *Pool, n int) string {
	t.Helper()
	var names strings.Builder
	for range n {
		l := pick(t, p)
		names.WriteString(l.Backend().Name())
		l.Done(Served)
	}
	return names.String()
}

// wantErr fails the test unless r gets the error.
func wantErr(t testing.TB, p *Pool, r *Request, want error) {
	t.Helper()
	l, err := p.Pick(r)
	if !errors.Is(err, want) || l.Backend() != nil {
		t.Fatalf("Pick: got %v, %v, want %v", l.Backend(), err, want)
	}
}
