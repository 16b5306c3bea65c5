package main

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// read takes a command line in without doing what it says.
func read(variables map[string]string, args ...string) *commandLine {
	c := newCommandLine()
	e := testEnv(&bytes.Buffer{}, &bytes.Buffer{})
	app := e.app(c)
	for _, cmd := range app.Commands {
		cmd.Action = func(ctx *cli.Context) error {
			c.complete(ctx.Args().Slice(), environ(variables))
			c.validate()
			return nil
		}
	}
	c.faults.add("", app.Run(c.sort(args)))
	return c
}

func TestFlagsMayStandAnywhere(t *testing.T) {
	want := read(nil, "serve", "--listen=:9090", "--log-empty", "--policy=first", "a:1", "b:2").words()
	for _, line := range []string{
		"--listen :9090 --log-empty --policy first a:1 b:2",
		"serve a:1 --listen :9090 b:2 --policy first --log-empty",
		"a:1 b:2 -l :9090 --log-empty=true -policy=first",
		":9090 a:1 b:2 --policy first --log-empty",
		"--policy first serve --log-empty :9090 a:1 b:2",
		"a:1 --listen :9090 --log-empty --policy first -- b:2",
		"-b a:1 --backend b:2 --listen=:9090 --policy=first --log-empty",
	} {
		c := read(nil, strings.Fields(line)...)
		if got := c.words(); !slices.Equal(got, want) || c.faults.err() != nil {
			t.Errorf("%s: got %q, %v; want %q", line, got, c.faults.err(), want)
		}
	}
}

func TestOriginOfSettings(t *testing.T) {
	c := read(map[string]string{
		"FOREBAY_TRIES": "2", "FOREBAY_POLICY": "first", "FOREBAY_LISTEN": ":1 :2", "FOREBAY_LOOPS": "", "FOREBAY_BACKEND": "x:1",
	}, "--policy", "random", "a:1")
	for name, want := range map[string]struct {
		value  string
		origin origin
	}{
		"tries":   {"2", fromEnvironment},
		"listen":  {":1 :2", fromEnvironment},
		"policy":  {"random", fromFlag},
		"backend": {"a:1", fromArgument},
		"loops":   {"auto", fromDefault},
		"queue":   {"1024", fromDefault},
	} {
		if s := c.named(name); s.String() != want.value || s.origin != want.origin {
			t.Errorf("%s: got %s from %s, want %s from %s", name, s, s.origin, want.value, want.origin)
		}
	}
}

func TestHelpFitsATerminal(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help", "all"}} {
		help, _, _ := invoke(nil, args...)
		for line := range strings.Lines(help) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
				t.Errorf("%v: %d columns: %s", args, n, line)
			}
		}
	}
	for _, args := range []string{"--help", "-h", "help", "serve --help", "check --help 127.0.0.1:8000", "--help --policy first", "help check"} {
		help, stderr, status := invoke(nil, strings.Fields(args)...)
		if n := strings.Count(help, "\n"); n == 0 || n > 50 || status != exitDone {
			t.Errorf("%s: %d lines, status %d, %q; want at most 50 lines", args, n, status, stderr)
		}
	}
}

// Each flag is told of in help all and in the help of one group, with its default, and each group in --help.
func TestHelpTellsOfEachFlag(t *testing.T) {
	all, _, _ := invoke(nil, "help", "all")
	brief, _, _ := invoke(nil, "--help")
	groupsOf := map[string]int{}
	for _, g := range groups() {
		help, _, _ := invoke(nil, "help", g.topic)
		if behind, _, _ := invoke(nil, "--help", g.topic); behind != help {
			t.Errorf("--help %s: got\n%s\nwant, as of help %s,\n%s", g.topic, behind, g.topic, help)
		}
		if !strings.Contains(all, help) {
			t.Errorf("%s is missing in help all", g.topic)
		}
		if !strings.Contains(brief, "\n  "+g.topic+" ") {
			t.Errorf("%s is missing in --help", g.topic)
		}
		for _, s := range newCommandLine().settings {
			if strings.Contains(help, " "+s.synopsis()) && strings.Contains(strings.Join(strings.Fields(help), " "), "["+s.fallback()+"]") {
				groupsOf[s.name]++
			}
		}
	}
	for _, s := range newCommandLine().settings {
		if groupsOf[s.name] != 1 {
			t.Errorf("--%s is in the help of %d groups, want 1", s.name, groupsOf[s.name])
		}
	}
}

// What an operator reads as an example must work.
func TestExamplesInHelp(t *testing.T) {
	examples := 0
	for line := range strings.Lines(helpHead + helpMoreExamples) {
		words, found := strings.CutPrefix(line, "  forebay ")
		if !found || strings.Contains(line, "[flags]") {
			continue
		}
		examples++
		words, _, _ = strings.Cut(words, "   ")
		if c := read(nil, strings.Fields(words)...); c.faults.err() != nil {
			t.Errorf("%s: %v", words, c.faults.err())
		}
	}
	if examples != 6 {
		t.Errorf("got %d examples, want 6", examples)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "0s": "0", "1h": "1h", "60m": "1h", "90s": "1m30s", "1h30m": "1h30m", "1500ms": "1.5s", "3600s": "1h", "10m": "10m", "1h0m5s": "1h0m5s",
	} {
		var d, again duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.String() != want {
			t.Errorf("%s: got %s, %v; want %s", text, d, err, want)
		}
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%s: %s reads as %s, %v", text, d, again, err)
		}
	}
}

// TestTooLongDurations: a clock would overflow, and what was to be never would be at once.
func TestTooLongDurations(t *testing.T) {
	var d duration
	if err := d.UnmarshalText([]byte("87600h")); err != nil || d != mostTime {
		t.Errorf("ten years: got %v and %v", d, err)
	}
	for _, text := range []string{"87600h1ns", "2562047h"} {
		if err := d.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "at most 87600h,") {
			t.Errorf("%s: got %v, want an error with the longest time there is", text, err)
		}
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "''",
		"127.0.0.1:80,backup": "127.0.0.1:80,backup",
		"a b":                 "'a b'",
		"it's":                `'it'\''s'`,
		"[::1]:80":            "'[::1]:80'",
	} {
		if got := quote(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// A command line never panics, and one without faults says the same when it is written out again.
func FuzzCommandLine(f *testing.F) {
	f.Add("--listen\n:80\na:1")
	f.Add("check\n--max-lifetime=1h30m\n--lifetime-jitter\n12.5%\nunix:/a b\n-b\n[::1]:1-3,weight=2")
	f.Add("--proxy-out=v2\n--proxy-tlv\nunique-id,crc32c\n--\na:1\n--log=text\n--source=::1")
	f.Add("--route\n*.A.example.,alpn:h2=a:1,weight=3,unix:/b=c,backup,pass\n--route=*=[::1]:1-2,max-conns=4\n--route=x.example=refuse\n--alpn=h2,http/1.1")
	f.Add("a:1\n--tls-cert=c\n--tls-client-ca=d\n--tls-client-allow=cn:a:b\n--tls-client-allow=email:a@b\n--tls-client-cert=verify-if-given\n--backend-tls\n--backend-sni=A.b.")
	f.Add("demo\n--policy=source\n--hash-load-factor=1.5\n--hedge-after=15ms\n--=\n-\n---")
	f.Fuzz(func(t *testing.T, text string) {
		c := read(nil, strings.Split(text, "\n")...)
		if c.faults.err() != nil || c.asked != "" || len(c.config.Backends)+len(c.config.Routes) == 0 {
			return
		}
		again := read(nil, c.words()...)
		if again.faults.err() != nil || !reflect.DeepEqual(again.config, c.config) {
			t.Errorf("%q was written as %q, which is %+v (%v), want %+v", text, c.words(), again.config, again.faults.err(), c.config)
		}
	})
}
