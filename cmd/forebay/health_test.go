package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"forebay/l4/l4test"
	"forebay/pool"
	"forebay/pool/health"
)

// planned returns the plan of a command line.
func planned(t testing.TB, args ...string) *plan {
	t.Helper()
	c := read(nil, args...)
	p := c.plan(t.Context(), net.DefaultResolver)
	if err := c.faults.err(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCheckerDoesAsTold(t *testing.T) {
	p := planned(t, "-l", "127.0.0.1:0", "--check-interval", "3s", "--check-timeout", "4s", "--rise", "5", "--fall", "6", "--initial", "up", "127.0.0.1:8000")
	c := p.checker(p.routes[0], nil)
	if c.Interval != 3*time.Second || c.Timeout != 4*time.Second || c.Rise != 5 || c.Fall != 6 || c.Initial != health.InitialUp || c.Enough != enoughAnswers {
		t.Errorf("got %+v", c)
	}
	p = planned(t, "-l", "127.0.0.1:0", "--check", "redis", "127.0.0.1:8000")
	if c = p.checker(p.routes[0], nil); c.Enough != 0 {
		t.Errorf("%d sessions stand for a check of redis, want none to", c.Enough)
	}
	if c, want := *health.NewChecker(nil, nil), *p.checker(p.routes[0], nil); c.Interval != want.Interval || c.Timeout != want.Timeout ||
		c.Rise != want.Rise || c.Fall != want.Fall || c.Initial != want.Initial {
		t.Errorf("the defaults are not the checker's own: got %+v, want %+v", want, c)
	}
	p = planned(t, "-l", "127.0.0.1:0", "--check", "off", "127.0.0.1:8000")
	if p.checker(p.routes[0], nil) != nil || p.checksAtOnce() != 0 {
		t.Error("with --check off there is a checker")
	}
}

// Checks begin with the header that sessions begin with, as far as it can be told of them.
func TestChecksSendTheHeader(t *testing.T) {
	for version, header := range map[string]string{"off": "", "v1": "PROXY UNKNOWN\r\n", "v2": "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"} {
		b := l4test.Serve(t, func(p *l4test.Peer) { p.Expect(header + "*1\r\n$4\r\nPING\r\n").Send("+PONG\r\n").ReceiveAll() })
		p := planned(t, "-l", "127.0.0.1:0", "--check", "redis", "--proxy-out", version, b.Addr())
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		r := p.checker(p.routes[0], nil).Probe.Probe(ctx, health.Target{Network: "tcp", Address: b.Addr()})
		cancel()
		if r.Err != nil {
			t.Errorf("%s: %v", version, r.Err)
		}
	}
}

// A backend that admits nobody but the source is up.
func TestChecksComeFromTheSource(t *testing.T) {
	b := l4test.Serve(t, func(p *l4test.Peer) {
		if strings.HasPrefix(p.Remote().String(), "127.0.0.9:") {
			p.Send("+PONG\r\n")
		}
		p.ReceiveAll()
	})
	p := planned(t, "-l", "127.0.0.1:0", "--check", "redis", "--source", "127.0.0.9", b.Addr())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if r := p.checker(p.routes[0], nil).Probe.Probe(ctx, health.Target{Network: "tcp", Address: b.Addr()}); r.Err != nil {
		t.Error(r.Err)
	}
}

// recorded returns a pool of one backend, and what a chronicle of it has logged once everything in it has.
func recorded(t *testing.T, happens func(*chronicle, *pool.Pool)) []string {
	var out bytes.Buffer
	c := newChronicle(slog.New(slog.NewJSONHandler(&out, nil)), pool.TryDown, func(context.Context) {})
	p, err := pool.New(pool.Options{}, []pool.Config{{Name: "db:1", Addrs: []pool.Address{pool.TCPAddress(netip.MustParseAddrPort("192.0.2.1:1"))}}})
	if err != nil {
		t.Fatal(err)
	}
	c.follow(p)
	happens(c, p)
	ctx, cancel := context.WithCancel(context.Background())
	go c.write(ctx)
	synctest.Wait()
	cancel()
	synctest.Wait()
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

// Where sessions speak TLS, checks do as they do, whatever is asked; unless it is asked in a place of its own.
func TestChecksSpeakTLSWhereSessionsDo(t *testing.T) {
	f := newFolder(t)
	ca := f.authority("ca")
	f.authority("other")
	f.pair("site", ca, year, "www.example.com")
	f.pair("own", ca, year, "balancer.example")
	shows := f.pair("backend", ca, year, "127.0.0.1").serves()
	shows.ClientAuth = tls.RequireAnyClientCert
	at := greeter(t, "+PONG\r\n", shows)
	_, port, _ := net.SplitHostPort(at)
	for _, test := range []struct {
		args string
		up   bool
	}{
		{"--backend-ca $D/ca.pem", true},
		{"--backend-ca $D/ca.pem --check tls", true},
		{"--backend-ca $D/other.pem", false},
		{"--backend-ca $D/other.pem --check tcp", false},
		{"--backend-ca $D/other.pem --check tcp:" + port, true},
		{"--backend-ca $D/ca.pem --check redis", true},
		{"--backend-ca $D/ca.pem --check redis --backend-sni www.example.com", false},
		{"--backend-ca $D/ca.pem --check redis:" + port, false},
		{"--backend-ca $D/ca.pem --check redis:" + port + ",tls", true},
	} {
		p := planned(t, f.args("-l 127.0.0.1:0 --backend-tls --backend-cert $D/own.pem --backend-key $D/own.key "+at+" "+test.args)...)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		r := p.checker(p.routes[0], nil).Probe.Probe(ctx, health.Target{Network: "tcp", Address: at, Name: "127.0.0.1"})
		cancel()
		if (r.Err == nil) != test.up {
			t.Errorf("%s: got %v, want it to be up: %v", test.args, r.Err, test.up)
		}
	}
	p := planned(t, f.args("-l 127.0.0.1:0 --backend-tls --tls-cert $D/site.pem --tls-key $D/site.key --route db.example.com="+at+" "+at)...)
	for i, want := range []string{"tls", "tcp"} {
		if got, err := p.check(p.routes[i].route); err != nil || got.String() != want {
			t.Errorf("route %s is checked by %v, %v, want %s", p.routes[i].keys(), got, err, want)
		}
	}
	if got := p.checks(); got != "tls and tcp" {
		t.Errorf("checks are shown as %s", got)
	}
}

// A check that begins in clear would fail for ever on a port that speaks TLS.
func TestChecksInClearAreRefusedWhereSessionsSpeakTLS(t *testing.T) {
	for check, want := range map[string]int{"postgres": 2, "mysql,user=x": 2, "postgres:5432": 0, "smtp": 0} {
		_, stderr, status := invoke(nil, "check", "-l", "127.0.0.1:0", "--backend-tls", "--check", check, "192.0.2.1:443")
		if status != want || want == 2 && !strings.Contains(stderr, "begins in clear") {
			t.Errorf("%s: got status %d, %q", check, status, stderr)
		}
	}
}

func TestChronicle(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		lines := recorded(t, func(_ *chronicle, p *pool.Pool) {
			b := p.Backends()[0]
			b.Judge(pool.Down, pool.Evidence{Witness: pool.Check, Reason: "refused"})
		})
		wantFields(t, lines[0], map[string]any{"level": "WARN", "msg": "a backend is down", "backend": "db:1", "from": "up", "to": "down", "by": "check", "why": "refused"})
		wantFields(t, lines[1], map[string]any{"level": "ERROR", "msg": "no backend is up", "of": 1.0, "when_all_down": "try"})
		lines = recorded(t, func(c *chronicle, p *pool.Pool) {
			c.enter(entry{p, p.Backends()[0], pool.Transition{To: pool.Ejected, Until: time.Time{}.Add(5 * time.Second)}})
			c.enter(entry{p, p.Backends()[0], pool.Transition{From: pool.Ejected, To: pool.Up}})
		})
		wantFields(t, lines[0], map[string]any{"level": "WARN", "msg": "a backend is ejected", "hold": "5s"})
		wantFields(t, lines[1], map[string]any{"level": "INFO", "msg": "a backend is up"})
	})
}

// A log that nobody reads holds nothing up: what does not fit is counted, and the count is logged.
func TestChronicleLosesWhatDoesNotFit(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		lines := recorded(t, func(c *chronicle, p *pool.Pool) {
			for range chronicleLength + 2 {
				c.enter(entry{pool: p, backend: p.Backends()[0]})
			}
		})
		if len(lines) != chronicleLength+1 {
			t.Fatalf("got %d lines, want %d and one for what was lost", len(lines), chronicleLength)
		}
		wantFields(t, lines[chronicleLength], map[string]any{"msg": "changes of backends were not logged", "changes": 2.0})
	})
}

// wantFields fails the test unless a line of JSON holds the fields.
func wantFields(t testing.TB, line string, want map[string]any) {
	t.Helper()
	got := map[string]any{}
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: got %v, want %v", name, got[name], value)
		}
	}
}
