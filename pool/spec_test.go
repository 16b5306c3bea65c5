package pool

import (
	"encoding"
	"strings"
	"testing"
)

func TestSpec(t *testing.T) {
	long := strings.Repeat("x", maxPath)
	for text, want := range map[string]Spec{
		"127.0.0.1:8000":          {Host: "127.0.0.1", First: 8000, Last: 8000, Weight: 1},
		"127.0.0.1:8000-8003":     {Host: "127.0.0.1", First: 8000, Last: 8003, Weight: 1},
		"10.0.0.7:8000-8000":      {Host: "10.0.0.7", First: 8000, Last: 8000, Weight: 1},
		"10.0.0.7:1-4096":         {Host: "10.0.0.7", First: 1, Last: 4096, Weight: 1},
		"db-1.my_site.example:1":  {Host: "db-1.my_site.example", First: 1, Last: 1, Weight: 1},
		"[2001:DB8:0:0::1]:65535": {Host: "2001:db8::1", First: 65535, Last: 65535, Weight: 1},
		"[fe80::1%eth0]:80":       {Host: "fe80::1%eth0", First: 80, Last: 80, Weight: 1},
		"unix:/run/app.sock":      {Path: "/run/app.sock", Weight: 1},
		"unix:run/a-b:c":          {Path: "run/a-b:c", Weight: 1},
		"unix:@app":               {Path: "@app", Weight: 1},
		"unix:" + long:            {Path: long, Weight: 1},
		"10.0.0.7:5432,weight=3,max-conns=100,backup": {Host: "10.0.0.7", First: 5432, Last: 5432, Weight: 3, MaxConns: 100, Backup: true},
		"unix:/a,backup,weight=1000":                  {Path: "/a", Weight: 1000, Backup: true},
	} {
		var got Spec
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
		var again Spec
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%s: its String, %s, reads as %+v, %v", text, got, again, err)
		}
	}
}

func TestSpecString(t *testing.T) {
	for text, want := range map[string]string{
		"h:0080,weight=1":                        "h:80",
		"h:80-80,backup,max-conns=010,weight=02": "h:80,weight=2,max-conns=10,backup",
		"[2001:DB8::0]:1-2":                      "[2001:db8::]:1-2",
		"unix:/a":                                "unix:/a",
	} {
		var s Spec
		if err := s.UnmarshalText([]byte(text)); err != nil || s.String() != want {
			t.Errorf("%s: got %s, %v, want %s", text, s, err, want)
		}
	}
}

func TestSpecErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                          `nothing is written: write HOST:PORT, HOST:FIRST-LAST or unix:PATH`,
		"127.0.0.1":                 `"127.0.0.1" has no port: write 127.0.0.1:PORT`,
		"8000":                      `no host before the port: write 127.0.0.1:8000`,
		"8000-8003":                 `no host before the port: write 127.0.0.1:8000-8003`,
		":8000":                     `no host before the port: write 127.0.0.1:8000`,
		"127.0.0.1:":                `a port is missing: write HOST:PORT or HOST:FIRST-LAST`,
		"127.0.0.1:http":            `"http" is no port: a number from 1 to 65535 is right`,
		"127.0.0.1:+80":             `"+80" is no port: a number from 1 to 65535 is right`,
		"127.0.0.1:0":               `port 0 is out of range: 1 to 65535 is right`,
		"127.0.0.1:65536":           `port 65536 is out of range: 1 to 65535 is right`,
		"h:99999999999999999999":    `port 99999999999999999999 is out of range: 1 to 65535 is right`,
		"127.0.0.1:8003-8000":       `the range 8003-8000 runs backward: write 8000-8003`,
		"127.0.0.1:8000-":           `a port is missing: write HOST:PORT or HOST:FIRST-LAST`,
		"127.0.0.1:-8000":           `a port is missing: write HOST:PORT or HOST:FIRST-LAST`,
		"127.0.0.1:1-2-3":           `"2-3" is no port: a number from 1 to 65535 is right`,
		"127.0.0.1:1-4097":          `the range 1-4097 has 4097 ports; one range has at most 4096`,
		"300.0.0.1:80":              `"300.0.0.1" is no IPv4 address: that is four numbers from 0 to 255`,
		"10.0.0:80":                 `"10.0.0" is no IPv4 address: that is four numbers from 0 to 255`,
		"my host:80":                `"my host" is no host: ' ' is neither letter, digit, hyphen, dot nor underscore`,
		"::1:8000":                  `an IPv6 address stands in brackets: write [::1]:8000`,
		"::":                        `an IPv6 address stands in brackets and has a port: write [::]:PORT`,
		"2001:db8::1":               `an IPv6 address stands in brackets and has a port: write [2001:db8::1]:PORT`,
		"1:2:3:4:5:6:7:8:80":        `an IPv6 address stands in brackets: write [1:2:3:4:5:6:7:8]:80`,
		"::1:8000-8003":             `an IPv6 address stands in brackets: write [::1]:8000-8003`,
		"a:b:80":                    `"a:b:80" has too many colons: write HOST:PORT`,
		"a:80 b:80":                 `there is a space in it: write a:80, and what follows as a BACKEND of its own`,
		"a:80 weight=2":             `there is a space in it: an option follows a comma, as in a:80,weight=2`,
		"weight=2":                  `an option stands behind its backend and a comma: write 127.0.0.1:8000,weight=2`,
		"backup":                    `an option stands behind its backend and a comma: write 127.0.0.1:8000,backup`,
		"/run/app.sock":             `a path has unix: before it: write unix:/run/app.sock`,
		"224.0.0.1:80":              `224.0.0.1 is for many machines at once, and takes no connection: write the address of one`,
		"255.255.255.255:80":        `255.255.255.255 is for many machines at once, and takes no connection: write the address of one`,
		"[ff02::1%eth0]:80":         `ff02::1%eth0 is for many machines at once, and takes no connection: write the address of one`,
		"[fe80::1]:80-81":           `a link-local address needs its interface: write [fe80::1%eth0]:80-81`,
		"[::1]":                     `no port: write [::1]:PORT`,
		"[::1]80":                   `no port: write [::1]:PORT`,
		"[::1:80":                   `the bracket is not closed: write [ADDRESS]:PORT`,
		"[10.0.0.1]:80":             `"10.0.0.1" is no IPv6 address: brackets are for one`,
		"http://127.0.0.1:8000/":    `a backend has no scheme http://: write 127.0.0.1:8000`,
		"https://a.example/app":     `a backend has no scheme https://: write a.example:443, and --backend-tls where clients speak no TLS themselves`,
		"http://a.example":          `a backend has no scheme http://: write a.example:80`,
		"tcp://":                    `a backend has no scheme tcp://: write HOST:PORT`,
		"unix:":                     `no path after unix: write unix:/run/app.sock`,
		"unix:" + long(108):         `the path has 108 bytes; that of a UNIX socket has at most 107`,
		"unix:a\x00b":               `a path holds no NUL byte`,
		long(254) + ":80":           `the name has 254 bytes; a host name has at most 253`,
		"h:80,":                     `a comma with no option after it`,
		"h:80,wieght=3":             `unknown option "wieght=3": did you mean weight?`,
		"h:80,maxconns=3":           `unknown option "maxconns=3": did you mean max-conns?`,
		"h:80,h:81,weight=2":        `"h:81" is no option: another BACKEND stands apart, with a space between`,
		"h:80,colour=red":           `unknown option "colour=red": there are weight=N, max-conns=N, backup`,
		"h:80,weight":               `option weight has no value: write weight=N`,
		"h:80,weight=0":             `weight 0 would give the backend no session: 1 to 1000 is right, or leave the backend out`,
		"h:80,weight=1001":          `"1001" is no weight: a whole number from 1 to 1000 is right`,
		"h:80,weight=2.5":           `"2.5" is no weight: a whole number from 1 to 1000 is right`,
		"h:80,weight=":              `"" is no weight: a whole number from 1 to 1000 is right`,
		"h:80,max-conns=0":          `"0" is no max-conns: a whole number from 1 to 100000000 is right, or leave it out for no limit`,
		"h:80,max-conns":            `"" is no max-conns: a whole number from 1 to 100000000 is right, or leave it out for no limit`,
		"h:80,backup=no":            `option backup takes no value, not "no": leave it out where it is not meant`,
		"h:80,backup,backup":        `option backup is there twice`,
		"unix:/run/app.sock:80-81,": `a comma with no option after it`,
	} {
		s := Spec{Host: "untouched"}
		wantFault(t, &s, text, want)
		if s != (Spec{Host: "untouched"}) {
			t.Errorf("%q: an error left %+v behind", text, s)
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

// wantFault fails the test unless text is an error that ends in want.
func wantFault(t *testing.T, into encoding.TextUnmarshaler, text, want string) {
	t.Helper()
	err := into.UnmarshalText([]byte(text))
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%q: got %v\nwant %s", text, err, want)
	}
}

func FuzzSpec(f *testing.F) {
	for _, seed := range []string{
		"127.0.0.1:8000-8003", "[::1]:80,weight=3", "unix:/a,max-conns=9,backup", "db.example:5432", "::1:80", "http://h:1/", "h:80,wieght=1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, again Spec
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%q reads as %+v, whose String, %q, reads as %+v, %v", text, s, s, again, err)
		}
		if s.Weight < 1 || s.Weight > MaxWeight || s.MaxConns < 0 || (s.Path == "") == (s.Host == "") || s.Last < s.First {
			t.Errorf("%q reads as %+v", text, s)
		}
	})
}

func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"192.0.2.1:80", "[2001:db8::1]:80", "unix:/run/app.sock", "unix:@x", "[::ffff:192.0.2.1]:80", "[fe80::1%1]:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var a, again Address
		if a.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(a.String())); err != nil || again != a {
			t.Errorf("%q reads as %#v, whose String, %q, reads as %#v, %v", text, a, a, again, err)
		}
		if a.IsZero() {
			t.Errorf("%q reads as no address", text)
		}
	})
}

func FuzzWeight(f *testing.F) {
	for _, seed := range []string{"1", "1000", "0", "-1", "007"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var w, again Weight
		if w.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(w.String())); err != nil || again != w || w < 1 || w > MaxWeight {
			t.Errorf("%q reads as %d, then as %d, %v", text, w, again, err)
		}
	})
}

func FuzzPolicy(f *testing.F) {
	for _, p := range Policies() {
		f.Add(p.String())
	}
	f.Add("roundrobin")
	f.Fuzz(func(t *testing.T, text string) {
		var p Policy
		if err := p.UnmarshalText([]byte(text)); err == nil && p.String() != text {
			t.Errorf("%q reads as %v", text, p)
		}
	})
}
