package main

import (
	"crypto/tls"
	"slices"
	"sync"
	"testing"

	"forebay/pool"
	"forebay/tls/profile"
)

func TestHostOfBackend(t *testing.T) {
	for name, want := range map[string]string{
		"db.example:5432":            "db.example",
		"db.example:5432(10.0.0.7)":  "db.example",
		"db.example:5432(fe80::1%a)": "db.example",
		"10.0.0.7:80":                "10.0.0.7",
		"[2001:db8::1]:80":           "2001:db8::1",
		"unix:/run/a.sock":           "",
		"unix:@db.example:5432":      "",
	} {
		if got := hostOf(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// A backend has one Config for each protocol, since the sessions to be resumed hang on it.
func TestBackendConfigsAreKept(t *testing.T) {
	p, err := pool.New(pool.Options{}, []pool.Config{{Name: "a.example:1(10.0.0.1)", Addrs: []pool.Address{pool.UNIXAddress("a")}}})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := p.Pick(&pool.Request{})
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Done(pool.Served)
	b := lease.Backend()
	made := &backendTLS{made: map[offer]*tls.Config{}}
	plain, h2 := made.config(b, ""), made.config(b, "h2")
	if plain == h2 || plain.ServerName != "a.example" || len(plain.NextProtos) != 0 || !slices.Equal(h2.NextProtos, []string{"h2"}) {
		t.Errorf("got %q %q and %q %q", plain.ServerName, plain.NextProtos, h2.ServerName, h2.NextProtos)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if made.config(b, "") != plain || made.config(b, "h2") != h2 {
				t.Error("got another Config the next time")
			}
		})
	}
	all.Wait()
	if n := testing.AllocsPerRun(100, func() { made.config(b, "h2") }); n != 0 {
		t.Errorf("got %v allocations for one that is there, want none", n)
	}
	fixed := &backendTLS{made: map[offer]*tls.Config{}, profile: profile.Backend{Protocols: []profile.Protocol{"postgresql"}}}
	if c := fixed.config(b, "h2"); c != fixed.config(b, "") || !slices.Equal(c.NextProtos, []string{"postgresql"}) {
		t.Errorf("got %q, want what is always offered", c.NextProtos)
	}
}
