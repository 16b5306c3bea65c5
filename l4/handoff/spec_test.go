package handoff

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"forebay/pool"
)

func TestSpecReads(t *testing.T) {
	for text, canonical := range map[string]string{
		":8080":                  ":8080",
		"*:80":                   ":80",
		":0":                     ":0",
		"0.0.0.0:443":            "0.0.0.0:443",
		"[::]:443":               "[::]:443",
		"[2001:DB8::0:1]:65535":  "[2001:db8::1]:65535",
		"[fe80::1%eth0]:22":      "[fe80::1%eth0]:22",
		"[::ffff:192.0.2.1]:80":  "192.0.2.1:80",
		"localhost:5432":         "localhost:5432",
		"db-1.example.org:5432":  "db-1.example.org:5432",
		"unix:/run/forebay.sock": "unix:/run/forebay.sock",
		"unix:@forebay":          "unix:@forebay",
		"unix:relative:odd":      "unix:relative:odd",
	} {
		var s, again Spec
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if s.String() != canonical {
			t.Errorf("%q: got %q, want %q", text, s, canonical)
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%q: got %+v, %v when read again, want %+v", text, again, err, s)
		}
	}
}

func TestSpecRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  `"" has no port`,
		"8080":                              "write :8080",
		"localhost":                         "write localhost:8080",
		":":                                 "no port after the colon",
		":http":                             `port "http" is not a number`,
		":65536":                            "out of range",
		":99999999999999999999":             "out of range",
		":-1":                               "is not a number from 0 (any free one) to 65535",
		":8080-8081":                        "for several ports write several addresses",
		"::1:80":                            "brackets",
		"[::1]":                             "no port; write [::1]:8080",
		"[::1]80":                           "no port; write [::1]:8080",
		"[::1]:":                            "no port after the colon",
		"[::1:80":                           "the bracket is not closed",
		"http://127.0.0.1:80/":              "without http://, as in 127.0.0.1:80",
		"tcp://":                            "as in :8080",
		"224.0.0.1:80":                      "no client can connect to 224.0.0.1",
		"[ff02::1]:80":                      "no client can connect to ff02::1",
		"255.255.255.255:80":                "no client can connect to 255.255.255.255",
		"[fe80::1]:80":                      "write [fe80::1%eth0]:80",
		"[localhost]:80":                    "no IPv6 address",
		"[127.0.0.1]:80":                    "no IPv6 address",
		"1.2.3:80":                          "neither an IP address nor a host name",
		"256.1.1.1:80":                      "neither an IP address nor a host name",
		"a b:80":                            "neither an IP address nor a host name",
		"unix:":                             "names no socket",
		"unix:@":                            "names no socket",
		"unix:/a\x00b":                      "zero byte",
		"unix:/" + strings.Repeat("x", 107): "108 bytes",
	} {
		var s Spec
		err := s.UnmarshalText([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
		if s != (Spec{}) {
			t.Errorf("%q: a refused text changed the Spec to %v", text, s)
		}
	}
}

type resolver func(host string) ([]netip.Addr, error)

func (r resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return r(host)
}

func TestSpecResolvesToEachAddressOnce(t *testing.T) {
	r := resolver(func(string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("::ffff:127.0.0.1"), netip.MustParseAddr("127.0.0.1")}, nil
	})
	all, err := spec(t, "localhost:80").Resolve(t.Context(), r)
	var got []netip.Addr
	for _, s := range all {
		got = append(got, s.addr)
	}
	want := []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.1")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestSpecDoesNotResolveAddresses(t *testing.T) {
	r := resolver(func(host string) ([]netip.Addr, error) { return nil, errors.New("asked for " + host) })
	for _, text := range []string{":80", "127.0.0.1:80", "[::]:80", "unix:/run/x"} {
		s := spec(t, text)
		if got, err := s.Resolve(t.Context(), r); err != nil || !slices.Equal(got, []Spec{s}) {
			t.Errorf("%s: got %v, %v; want itself", text, got, err)
		}
	}
}

func TestUnresolvedNamesGetARemedy(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{Err: "no such host", IsNotFound: true}, ": correct the name, or write an address"},
		{&net.DNSError{Err: "server misbehaving", IsTemporary: true}, ": the name may be right: check the name server"},
		{context.DeadlineExceeded, ": the name may be right: check the name server"},
	} {
		r := resolver(func(string) ([]netip.Addr, error) { return nil, c.err })
		_, err := spec(t, "gone.example:80").Resolve(t.Context(), r)
		if want := "listen on gone.example:80: " + c.err.Error() + c.want; err == nil || !errors.Is(err, c.err) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s…", err, want)
		}
	}
}

func TestSpecAccepts(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("fe80::7%eth0")}
	for _, c := range []struct {
		listen, to string
		want       bool
	}{
		{":80", "127.0.0.1:80", true},
		{":80", "[::1]:80", true},
		{":80", "192.0.2.1:80", false},
		{":80", "198.51.100.7:80", true},
		{":80", "[2001:db8::7]:80", true},
		{":80", "[fe80::7%eth0]:80", true},
		{":80", "[fe80::7%eth1]:80", false},
		{":80", "198.51.100.7:81", false},
		{":80", "0.0.0.0:80", true},
		{"0.0.0.0:80", "198.51.100.7:80", true},
		{"0.0.0.0:80", "[2001:db8::7]:80", false},
		{"[::]:80", "[2001:db8::7]:80", true},
		{"[::]:80", "198.51.100.7:80", false},
		{"127.0.0.1:80", "198.51.100.7:80", false},
		{"127.0.0.1:80", "0.0.0.0:80", true},
		{"[::1]:80", "[::]:80", true},
		{"198.51.100.7:80", "198.51.100.7:80", true},
		{":80", "127.0.0.1:81", false},
		{":0", "127.0.0.1:0", false},
		{"0.0.0.0:80", "127.0.0.9:80", true},
		{"0.0.0.0:80", "[::1]:80", false},
		{"[::]:80", "127.0.0.1:80", false},
		{"192.0.2.1:80", "192.0.2.1:80", true},
		{"192.0.2.1:80", "192.0.2.2:80", false},
		{"unix:/a", "unix:/a", true},
		{"unix:/a", "unix:/b", false},
		{":80", "unix:/a", false},
		{"unix:/a", "127.0.0.1:80", false},
	} {
		var to pool.Address
		if err := to.UnmarshalText([]byte(c.to)); err != nil {
			t.Fatal(err)
		}
		if got := spec(t, c.listen).Accepts(to, own); got != c.want {
			t.Errorf("%s accepts %s: got %v, want %v", c.listen, c.to, got, c.want)
		}
	}
}

func FuzzSpec(f *testing.F) {
	for _, text := range []string{":8080", "[::1%lo]:1", "a.b:0", "unix:@x", "unix:/a,b,mode=0660,group=c", "[::ffff:1.2.3.4]:80", "*:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, again Spec
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%q became %q, which reads as %+v, %v; want %+v", text, s, again, err, s)
		}
	})
}

func spec(t testing.TB, text string) Spec {
	t.Helper()
	var s Spec
	if err := s.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSpecsThatOverlap(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{":80", "0.0.0.0:80", true},
		{":80", "[::]:80", true},
		{":80", "127.0.0.1:80", true},
		{":80", ":81", false},
		{":0", ":0", false},
		{"0.0.0.0:80", "[::]:80", false},
		{"0.0.0.0:80", "10.0.0.1:80", true},
		{"0.0.0.0:80", "[::1]:80", false},
		{"[::]:80", "[::1]:80", true},
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"unix:" + dir + "/s", "unix:" + dir + "/./s", true},
		{"unix:" + dir + "/s", "unix:" + dir + "/t", false},
		{"unix:" + dir + "/s", ":80", false},
		{"unix:@s", "unix:@s", true},
	} {
		a, b := spec(t, c.a), spec(t, c.b)
		if a.Overlaps(b) != c.want || b.Overlaps(a) != c.want {
			t.Errorf("%s and %s: got %v and %v, want %v", c.a, c.b, a.Overlaps(b), b.Overlaps(a), c.want)
		}
	}
}
