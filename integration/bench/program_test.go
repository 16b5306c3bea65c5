package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestForebayCommand(t *testing.T) {
	p := &program{path: "bin/forebay"}
	s := setup{listen: "127.0.0.1:1", backends: []string{"127.0.0.1:2", "127.0.0.1:3"}, threads: 2}
	got, err := startForebay(p, s)
	want := []string{"bin/forebay", "serve", "--listen", "127.0.0.1:1", "--loops", "2", "127.0.0.1:2", "127.0.0.1:3"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	s.identity = &identity{certFile: "c", keyFile: "k"}
	want = append(want[:6:6], "--tls-cert", "c", "--tls-key", "k", "127.0.0.1:2", "127.0.0.1:3")
	if got, err := startForebay(p, s); err != nil || !slices.Equal(got, want) {
		t.Errorf("with TLS: got %q, %v, want %q", got, err, want)
	}
	s.threads = 0
	if got, _ := startForebay(p, s); slices.Contains(got, "--loops") {
		t.Errorf("default threads: got %q, want no --loops", got)
	}
}

// TestPeersTakeTheirConfiguration asks the programs themselves.
func TestPeersTakeTheirConfiguration(t *testing.T) {
	for name, check := range map[string]string{haproxyName: "-c", nginxName: "-t"} {
		p, err := findProgram(name, "")
		if err != nil {
			t.Logf("not checked: %v", err)
			continue
		}
		if p.streams != nil {
			checkConfiguration(t, p.streams, check)
		}
		checkConfiguration(t, p, check)
	}
}

func checkConfiguration(t *testing.T, p *program, check string) {
	t.Helper()
	id, _ := newTestIdentity(t)
	for _, n := range []threads{0, 1, 2} {
		for _, id := range []*identity{nil, id} {
			command, err := p.command(p, setup{
				dir: t.TempDir(), listen: "127.0.0.1:65000", backends: []string{"127.0.0.1:65001"}, threads: n, descriptors: 100, identity: id,
			})
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(command[0], append(command[1:], check)...).CombinedOutput()
			if err != nil || strings.Contains(string(out), "[WARNING]") {
				t.Errorf("%s, threads %s, TLS %v: %v\n%s", p.name, n, id != nil, err, out)
			}
		}
	}
}

func TestFindVersion(t *testing.T) {
	for text, want := range map[string]string{
		"forebay 5ab1cce\ncommit  unknown":                                   "5ab1cce",
		"forebay 5ab1cce-dirty":                                              "5ab1cce-dirty",
		"nginx version: nginx/1.22.1\n":                                      "1.22.1",
		"HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/": "2.6.12-1+deb12u4",
		"forebay v0.1.0-dev go1.26":                                          "v0.1.0-dev",
		"forebay (devel)":                                                    "(devel)",
		"forebay (development)\ncommit  unknown\nbuilt   with go1.26.8":      "(development)",
		"no such thing":                                                      "unknown",
		"":                                                                   "unknown",
	} {
		if got := findVersion(text); got != want {
			t.Errorf("findVersion(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestFindOpenSSL(t *testing.T) {
	for text, want := range map[string]string{
		"built with OpenSSL 3.0.22 25 Aug 2026 (running with OpenSSL 3.0.19 27 Jan 2026)\nTLS SNI": " with OpenSSL 3.0.19",
		"Built with OpenSSL version : OpenSSL 1.1.1w\nOpenSSL library supports SNI : yes":          " with OpenSSL 1.1.1w",
		"built by gcc": "",
	} {
		if got := findOpenSSL(text); got != want {
			t.Errorf("findOpenSSL(%q) = %q, want %q", text, got, want)
		}
	}
}
