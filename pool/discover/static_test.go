package discover

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"forebay/l4/l4test"
	"forebay/pool"
)

var _ Resolver = (*net.Resolver)(nil)

// zone answers from a table, after a second: under synctest, where that costs nothing.
type zone map[string]string

func (z zone) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Second):
	}
	answer, ok := z[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var addrs []netip.Addr
	for _, a := range strings.Fields(answer) {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, nil
}

var testZone = zone{
	"localhost":   "::1 127.0.0.1",
	"db.example":  "2001:db8::7 10.0.0.7 10.0.0.3 ::ffff:10.0.0.3",
	"one.example": "10.0.0.9",
	"two.example": "10.0.0.9",
	"nowhere":     "",
}

func specs(t testing.TB, texts string) []pool.Spec {
	t.Helper()
	var all []pool.Spec
	for _, text := range strings.Fields(texts) {
		var s pool.Spec
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// describe returns "name=addr+addr" for each backend.
func describe(backends []pool.Config) string {
	var all []string
	for _, b := range backends {
		var addrs []string
		for _, a := range b.Addrs {
			addrs = append(addrs, a.String())
		}
		all = append(all, b.Name+"="+strings.Join(addrs, "+"))
	}
	return strings.Join(all, " ")
}

func TestStatic(t *testing.T) {
	for _, test := range []struct{ specs, want string }{
		{"", ""},
		{"127.0.0.1:8000-8002", "127.0.0.1:8000=127.0.0.1:8000 127.0.0.1:8001=127.0.0.1:8001 127.0.0.1:8002=127.0.0.1:8002"},
		{"[2001:db8::1]:80", "[2001:db8::1]:80=[2001:db8::1]:80"},
		{"127.0.0.1:65535", "127.0.0.1:65535=127.0.0.1:65535"},
		{"unix:/run/app.sock", "unix:/run/app.sock=unix:/run/app.sock"},
		{"localhost:80-81", "localhost:80=127.0.0.1:80+[::1]:80 localhost:81=127.0.0.1:81+[::1]:81"},
		{"db.example:5432", "db.example:5432(10.0.0.3)=10.0.0.3:5432 db.example:5432(10.0.0.7)=10.0.0.7:5432 db.example:5432(2001:db8::7)=[2001:db8::7]:5432"},
		{"one.example:1 10.0.0.1:1", "one.example:1(10.0.0.9)=10.0.0.9:1 10.0.0.1:1=10.0.0.1:1"},
	} {
		t.Run(test.specs, func(t *testing.T) {
			l4test.Bubble(t, func(t *testing.T) {
				backends, err := Static(t.Context(), testZone, specs(t, test.specs))
				if got := describe(backends); err != nil || got != test.want {
					t.Errorf("got %s, %v\nwant %s", got, err, test.want)
				}
				if _, err := pool.New(pool.Options{}, backends); err != nil {
					t.Errorf("a pool does not take them: %v", err)
				}
			})
		})
	}
}

func TestStaticKeepsOptions(t *testing.T) {
	backends, err := Static(t.Context(), testZone, specs(t, "10.0.0.1:80-81,weight=3,max-conns=9,backup"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range backends {
		if b.Weight != 3 || b.MaxConns != 9 || !b.Backup {
			t.Errorf("got %+v, want weight 3, max-conns 9, backup", b)
		}
	}
}

func TestStaticReportsEveryFault(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		_, err := Static(t.Context(), testZone, specs(t, `nosuch:80 nosuch:81 nowhere:80
			127.0.0.1:8000-8003 127.0.0.1:8003 127.0.0.1:8001-8002 localhost:8000
			one.example:1 two.example:1 unix:/a unix:/a`))
		want := `backend nosuch:80: the name nosuch does not resolve: lookup nosuch: no such host: correct it, or write an address
backend nowhere:80: the name nowhere has no address: correct it, or write an address
backend 127.0.0.1:8003 is listed twice: leave one out
backend 127.0.0.1:8001 is listed twice: leave one out (so it is with 1 more)
backends 127.0.0.1:8000 and localhost:8000 are the same, 127.0.0.1:8000: leave one out
backends one.example:1(10.0.0.9) and two.example:1(10.0.0.9) are the same, 10.0.0.9:1: leave one out
backend unix:/a is listed twice: leave one out`
		if err == nil || err.Error() != want {
			t.Errorf("got:\n%v\nwant:\n%s", err, want)
		}
	})
}

// Whose name server has trouble is not told to correct the name.
func TestTroubleOfTheResolver(t *testing.T) {
	for name, trouble := range map[string]error{
		"timeout":     &net.DNSError{Err: "i/o timeout", Name: "a", Server: "192.0.2.53:53", IsTimeout: true, IsTemporary: true},
		"SERVFAIL":    &net.DNSError{Err: "server misbehaving", Name: "a", IsTemporary: true},
		"unreachable": &net.DNSError{Err: "dial udp: network is unreachable", Name: "a"},
		"deadline":    context.DeadlineExceeded,
	} {
		_, err := Static(t.Context(), silent{trouble}, specs(t, "a:1"))
		want := "backend a:1: the name a could not be looked up: " + trouble.Error() + ": the name may be right: "
		if !errors.Is(err, trouble) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s…", name, err, want)
		}
	}
}

// silent is a resolver that has nothing but trouble.
type silent struct{ trouble error }

func (s silent) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, s.trouble
}

// Names are looked up side by side, so many at once.
func TestStaticTakesTheTimeOfOneLookup(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		many := make(zone)
		var texts []string
		for i := range 2 * lookupsAtOnce {
			name := "host" + string(rune('a'+i/26)) + string(rune('a'+i%26))
			many[name] = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}).String()
			texts = append(texts, name+":80")
		}
		start := time.Now()
		if _, err := Static(t.Context(), many, specs(t, strings.Join(texts, " "))); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("%d lookups of a second each took %v, want 2s", len(texts), took)
		}
	})
}

func TestStaticEndsWithItsContext(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := Static(ctx, testZone, specs(t, "db.example:80"))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 100*time.Millisecond {
			t.Errorf("got %v after %v, want %v after 100ms", err, time.Since(start), context.DeadlineExceeded)
		}
	})
}

func TestStaticLeavesTheAnswerAlone(t *testing.T) {
	fixed := shared{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1")}
	before := slices.Clone(fixed)
	if _, err := Static(t.Context(), fixed, specs(t, "a:1")); err != nil || !slices.Equal(fixed, before) {
		t.Errorf("the resolver's slice is %v now, want %v (%v)", fixed, before, err)
	}
}

// shared is a resolver that gives everyone the same slice.
type shared []netip.Addr

func (s shared) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) { return s, nil }
