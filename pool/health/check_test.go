package health

import (
	"context"
	"crypto/tls"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// What is written is read, and written again as it was read.
func TestCheckReadsWhatItWrites(t *testing.T) {
	for text, want := range map[string]string{ // what is written for it; "": the same
		"off":                           "",
		"tcp":                           "",
		"tcp:9000":                      "",
		"tcp::9000":                     "tcp:9000",
		"tcp:10.0.0.9:22":               "",
		"tcp:[2001:db8::1]:22":          "",
		"tcp:unix:/run/app.sock":        "",
		"tcp,proxy=off":                 "",
		"tls,name=a.example,verify=off": "",
		"tls,verify=off,name=[::1]":     "tls,name=[::1],verify=off",
		"http://":                       "http:///",
		"http:///":                      "",
		"http://:8008/primary":          "",
		"http://?q=1":                   "http:///?q=1",
		"http://a.example:8008/a%2Cb":   "",
		`http:///a\,b,status=200`:       "",
		"https://[::1]:443/x?y=z,status=200-299+401": "",
		`http:///,body=\,\x00\r\n é`:                 `http:///,body=\,\x00\r\n \xc3\xa9`,
		`http:///,match=^a{1\,3}\,$`:                 "",
		"http:///,method=HEAD,proxy=v2":              "",
		"redis":                                      "",
		"redis:6380,tls,name=r,verify=off,proxy=v1":  "",
		"smtp:465,tls":                               "",
		"postgres:5433,user=forebay,database=app":    "",
		`mysql,user=a\,b`:                            "",
		`send:PING\r\n,expect:+PONG`:                 "",
		`send:\x00\xff\,,match:^\xff.{2\,}$,at=9000`: "",
		"expect:a=b,send:user=x,at=h:1,tls":          "",
		"exec:nc -z $FOREBAY_CHECK_HOST 80, || true": "",
	} {
		if want == "" {
			want = text
		}
		t.Run(text, func(t *testing.T) {
			c, err := ParseCheck(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.String(); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			again, err := ParseCheck(c.String())
			if err != nil || !reflect.DeepEqual(again, c) {
				t.Errorf("read again it is %+v, %v, want %+v", again, err, c)
			}
		})
	}
}

// What is wrong is quoted, and what would be right is said.
func TestCheckFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "nothing is written: there are off, tcp",
		"tcpp":                        `no check "tcpp": did you mean tcp?`,
		"pgsql":                       `no check "pgsql": write postgres`,
		"mariadb":                     "write mysql",
		"smtps":                       "write smtp,tls",
		"gopher":                      `no check "gopher": there are off, tcp`,
		"gopher://x/":                 "no check by gopher://: write http://",
		"off:80":                      "leave out :80",
		"off,proxy=v1":                `off takes no options, not "proxy=v1"`,
		"tcp:":                        "a port is missing",
		"tcp:0":                       "port 0 is out of range: 1 to 65535",
		"tcp:70000":                   "1 to 65535",
		"tcp:80-90":                   "80-90 are many ports",
		"tcp:10.0.0.9":                "write 10.0.0.9:PORT",
		"tcp:::1":                     "brackets",
		"tcp:1.2.3:80":                "no IPv4 address",
		"tcp,":                        "a comma with nothing after it",
		"tcp,user=x":                  `a check by tcp has no option "user=x": there are proxy`,
		"tcp,prxy=v1":                 "did you mean proxy?",
		"tcp,proxy=v3":                `"v3" is no version of the PROXY protocol: write v1, v2 or off`,
		"tcp,proxy":                   "option proxy has no value",
		"tcp,proxy=v1,proxy=v1":       "option proxy is there twice",
		"tls,verify=no":               `option verify takes off, not "no"`,
		"tls,name=a b":                `"a b" is no host`,
		"redis,tls=yes":               "option tls takes no value",
		"redis,verify=off":            "write tls as well",
		"redis,name=x":                "write tls as well",
		"http":                        "write http:///PATH",
		"http:8080":                   "http://:8080/PATH",
		"http:/healthz":               "write http:///PATH",
		"http://8080/":                `"8080" is no host and port: write http://:8080/`,
		"http://a.example/":           "write a.example:PORT",
		"http://u:p@a.example:80/":    "no user or password",
		"http://unix:/run/x/":         "unix",
		"http:///a b":                 `holds ' ': write it as %20`,
		"http:///a\r\nX: y":           "write it as %0D",
		`http:///a\b`:                 "write it as %5C",
		"http:///a#b":                 "no #fragment",
		"http:///,status=2xx":         `"2xx" is no status`,
		"http:///,status=299-200":     "is no status",
		"http:///,status=600":         "is no status",
		"http:///,body=":              "option body has no value",
		"http:///,match=(":            "is no regular expression",
		"http:///,match=a*":           "matches the empty text",
		"http:///,method=get":         "write one in capitals",
		"http:///,method=HEAD,body=x": "HEAD brings no body",
		"http:///,verify=off":         "no option",
		"postgres,database=x":         "write user=… as well",
		"mysql,user=":                 "is no name for option user",
		"mysql,user=a\x00":            "is no name for option user",
		"send:":                       "send: with nothing after it",
		"expect:":                     "expect: with nothing after it",
		`send:\q`:                     `unknown escape "\\q"`,
		`send:\x1`:                    "two hexadecimal digits",
		`send:a\`:                     "a backslash at the end",
		"send:a,b":                    `"b" is neither a step (send:, expect:, match:) nor an option (at, tls, name, verify, proxy); a comma within a step is written \,`,
		"match:a|":                    "matches the empty text",
		"exec:":                       "no command",
		"exec: ":                      "no command",
		"exec":                        "no command",
		"exec:a\x00":                  "no NUL",
	} {
		t.Run(text, func(t *testing.T) {
			c, err := ParseCheck(text)
			if err == nil {
				t.Fatalf("it is taken for %s", c)
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got %q, want %q in it", err, want)
			}
			if !c.Off() {
				t.Errorf("got %s with the error, want none", c)
			}
		})
	}
}

// The checks that the page shows can be written so.
func TestDocumentedChecks(t *testing.T) {
	page, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?m)^    --check '?([^'\n]+)'?$`).FindAllStringSubmatch(string(page), -1)
	if len(shown) < 4 {
		t.Errorf("found %q, want at least 4", shown)
	}
	for _, s := range shown {
		mustParse(t, s[1])
	}
}

// Where a check names another place, the place of the traffic is left alone.
func TestCheckGoesElsewhere(t *testing.T) {
	for text, want := range map[string]Target{
		"tcp":                     {"tcp", "192.0.2.1:80", "a.example"},
		"tls,name=b.example":      {"tcp", "192.0.2.1:80", "b.example"},
		"tcp:9000":                {"tcp", "192.0.2.1:9000", "a.example"},
		"tcp:192.0.2.9:22":        {"tcp", "192.0.2.9:22", "192.0.2.9"},
		"tcp:[::1]:22":            {"tcp", "[::1]:22", "::1"},
		"http://b.example:1/":     {"tcp", "b.example:1", "b.example"},
		"http://:1/,name=c":       {"tcp", "192.0.2.1:1", "c"},
		"redis:unix:/run/s":       {"unix", "/run/s", "a.example"},
		"expect:x,at=9000":        {"tcp", "192.0.2.1:9000", "a.example"},
		"expect:x,at=unix:@a,tls": {"unix", "@a", "a.example"},
		"exec:true":               {"tcp", "192.0.2.1:80", "a.example"},
	} {
		t.Run(text, func(t *testing.T) {
			got, err := mustParse(t, text).Target(Target{"tcp", "192.0.2.1:80", "a.example"})
			if err != nil || got != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

// Where sessions speak TLS a check does, unless it has a place of its own.
func TestCheckOverTLS(t *testing.T) {
	for text, want := range map[string]string{
		"off":                          "off",
		"tcp":                          "tls",
		"tcp,proxy=v2":                 "tls,proxy=v2",
		"tls,name=a.example":           "tls,name=a.example",
		"http:///health,status=200":    "https:///health,status=200",
		"redis":                        "redis,tls",
		"smtp,tls,verify=off":          "smtp,tls,verify=off",
		"send:a,expect:b":              "send:a,expect:b,tls",
		"exec:true":                    "exec:true",
		"tcp:80":                       "tcp:80",
		"http://:8008/":                "http://:8008/",
		"redis:unix:/run/s":            "redis:unix:/run/s",
		"expect:b,at=192.0.2.9:80":     "expect:b,at=192.0.2.9:80",
		"postgres:5432":                "postgres:5432",
		"mysql:unix:/run/s":            "mysql:unix:/run/s",
		"postgres":                     "",
		"mysql,user=forebay,proxy=off": "",
	} {
		t.Run(text, func(t *testing.T) {
			got, err := mustParse(t, text).OverTLS()
			switch {
			case want == "" && err == nil:
				t.Errorf("got %s, want it to be refused", got)
			case want != "" && (err != nil || got.String() != want):
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
		})
	}
}

func TestUNIXSocketHasNoPort(t *testing.T) {
	c := mustParse(t, "tcp:9000")
	if _, err := c.Target(target("unix:/run/s")); err == nil || !strings.Contains(err.Error(), "write HOST:9000") {
		t.Errorf("got %v, want it to say what to write", err)
	}
	wantUnasked(t, c.Probe(Dialer{}).Probe(t.Context(), target("unix:/run/s")), "check tcp:9000: ", "/run/s")
}

func wantUnasked(t *testing.T, r Result, words ...string) {
	t.Helper()
	if r.Took != 0 {
		t.Errorf("took %v, want that nothing was asked", r.Took)
	}
	wantDown(t, r, words...)
}

// The traffic's server sees nothing of a check that goes elsewhere, whatever its kind and its outcome. It is asked by
// nobody, and so accepts the one connection that ends the test.
func TestTrafficIsLeftAlone(t *testing.T) {
	traffic := l4test.ServeAt(t, "127.0.0.1:0", func(p *l4test.Peer) { p.ReceiveAll() })
	other := l4test.Echo(t).Addr()
	_, port, _ := strings.Cut(other, ":")
	dead := l4test.Refused(t)
	for _, text := range []string{
		"tcp:" + other, "tcp:" + port, "tls:" + port, "http://:" + port + "/", "https://" + other, "redis:" + port, "postgres:" + port,
		"mysql:" + other, "smtp:" + port, "send:a,expect:a,at=" + port, "tcp:" + dead, "redis:" + dead, "exec:true",
	} {
		probe := mustParse(t, text).Probe(Dialer{TLS: &tls.Config{}})
		was := target(traffic.Addr())
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		probe.Probe(ctx, was)
		cancel()
		if target(traffic.Addr()) != was {
			t.Errorf("%s has changed the target", text)
		}
	}
	l4test.Dial(t, traffic.Addr()).CloseWrite().ExpectEOF()
	if n := traffic.Accepted(); n != 1 {
		t.Errorf("the traffic's server accepted %d connections, want 1", n)
	}
}

// The header follows the traffic to its own place, and is the operator's word elsewhere.
func TestHeaderFollowsTheTraffic(t *testing.T) {
	for text, want := range map[string]Header{
		"redis": HeaderV1, "redis,proxy=off": NoHeader, "redis,proxy=v2": HeaderV2, "redis:6380": NoHeader, "redis:6380,proxy=v2": HeaderV2,
	} {
		if got := mustParse(t, text).dialer(Dialer{Header: HeaderV1}).Header; got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestOffHasNoProbe(t *testing.T) {
	if p := mustParse(t, "off").Probe(Dialer{}); p != nil {
		t.Errorf("got %v, want nil", p)
	}
}

func mustParse(t testing.TB, text string) Check {
	t.Helper()
	c, err := ParseCheck(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzParseCheck: what is read is written so that it is read as the same, in one line of an operator's; what is not
// read changes nothing.
func FuzzParseCheck(f *testing.F) {
	for _, s := range []string{
		"off", "tcp:9000", "tcp:[::1]:80,proxy=v1", `http://a:80/x,status=200+301-303,body=a\,b,match=^x{1\,2}`, "https:///", "redis:unix:/s,tls,name=[::1]",
		`send:\x00\\\,,expect:\r\n,match:\\\,,at=:9000,tls,verify=off`, "postgres,user=a,database=b", `mysql,user=\,`, "smtp:1", "exec:a,b", "tls,name=x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCheck(text)
		if err != nil {
			if !reflect.DeepEqual(c, Check{}) {
				t.Fatalf("%q is an error and %+v", text, c)
			}
			return
		}
		again, err := ParseCheck(c.String())
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, c, err)
		}
		if again.String() != c.String() || !reflect.DeepEqual(again, c) {
			t.Fatalf("%q is read as %+v, and %q as %+v", text, c, c, again)
		}
		if (c.Probe(Dialer{}) == nil) != c.Off() {
			t.Errorf("%q has no probe", text)
		}
	})
}
