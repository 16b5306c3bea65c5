package main

import (
	"os/exec"
	"strings"
	"testing"
)

// What bash offers at the end of a command line: commands first, then flags, and for the value of a flag what is not forebay's own.
func TestBashCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash here")
	}
	script, stderr, status := invoke(nil, "completion", "bash")
	if status != exitDone {
		t.Fatalf("status %d: %s", status, stderr)
	}
	const offer = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _forebay; echo "${COMPREPLY[*]}"`
	for _, c := range []struct{ words, want string }{
		{"forebay che", "check"},
		{"forebay --poli", "--policy"},
		{"forebay check --poli", "--policy"},
		{"forebay check de", ""},
		{"forebay --tls-cert c", ""},
		{"forebay -l c", ""},
		{"forebay --log-empty --log-f", "--log-file"},
		{"forebay completion z", "zsh"},
		{"forebay help rou", "routes"},
		{"forebay --help al", "all"},
		{"forebay help --pol", ""},
		{"forebay --policy le", "least-conn least-time"},
		{"forebay --policy = le", "least-conn least-time"}, // as bash takes --policy=le
		{"forebay --log =", "text json off auto"},
		{"forebay --log-file = c", ""},
	} {
		cmd := exec.Command(bash, append([]string{"--norc", "-c", script + offer, "bash"}, strings.Fields(c.words)...)...)
		got, err := cmd.Output()
		if err != nil || strings.TrimSpace(string(got)) != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.words, got, err, c.want)
		}
	}
}

// A word that is offered must be right.
func TestWordsOfFlagsAreTaken(t *testing.T) {
	c := newCommandLine()
	for _, s := range c.settings {
		for _, word := range strings.Fields(s.words) {
			if s.enter(word, fromFlag); s.rejected {
				t.Errorf("--%s %s: %v", s.name, word, c.faults.err())
			}
		}
	}
}
