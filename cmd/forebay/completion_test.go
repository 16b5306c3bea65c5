package main

import (
	"os/exec"
	"strings"
	"testing"
)

// What bash offers at the end of a command line: commands first, flags behind a dash alone, and for the value of a flag
// what is not forebay's own.
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
		{"forebay _", "serve check demo ech-key completion version help"}, // _ stands for nothing
		{"forebay check _", ""},
		{"forebay 127.0.0.1:8000 -l :80 _", ""},
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
		cmd := exec.Command(bash, append([]string{"--norc", "-c", script + offer, "bash"}, typed(c.words)...)...)
		got, err := cmd.Output()
		if err != nil || strings.TrimSpace(string(got)) != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.words, got, err, c.want)
		}
	}
}

// typed takes words apart, of which a last _ stands for nothing yet.
func typed(words string) []string {
	all := strings.Fields(words)
	if last := len(all) - 1; all[last] == "_" {
		all[last] = ""
	}
	return all
}

// What zsh is asked to offer, with meanings. Its own functions are replaced by such as print what they get.
func TestZshCompletion(t *testing.T) {
	zsh, err := exec.LookPath("zsh")
	if err != nil {
		t.Skip("there is no zsh here")
	}
	script, stderr, status := invoke(nil, "completion", "zsh")
	if status != exitDone {
		t.Fatalf("status %d: %s", status, stderr)
	}
	const stubs = `
		compdef() { :; }
		compset() { words[CURRENT]=${words[CURRENT]#*=}; }
		compadd() { shift; print -rl -- "$@"; }
		_describe() { print -rl -- "${(@P)@[-1]}"; }
		_files() { print files; }
	`
	const offer = `
		words=("$@"); CURRENT=$#; _forebay`
	for _, c := range []struct{ words, with, without string }{
		{"forebay _", "check:say all that is wrong, ", "--"},
		{"forebay --poli", "--policy:round-robin, least-conn, ", "check:"},
		{"forebay --max", "--max-conns:sessions at once; more wait in the kernel's queue", "check:"},
		{"forebay check _", "files", "--"},
		{"forebay --policy le", "least-time", "--"},
		{"forebay --policy=le", "least-time", "--"},
		{"forebay --log-file=f", "files", "--"},
		{"forebay completion _", "fish", "--"},
		{"forebay help _", "backend-tls", "--"},
	} {
		got, err := exec.Command(zsh, append([]string{"-f", "-c", stubs + script + offer, "zsh"}, typed(c.words)...)...).CombinedOutput()
		lines := "\n" + string(got)
		if err != nil || !strings.Contains(lines, "\n"+c.with) || strings.Contains(lines, "\n"+c.without) {
			t.Errorf("%s: got %q, %v; want a line that begins with %q, and none with %q", c.words, got, err, c.with, c.without)
		}
	}
}

// What fish offers, with meanings.
func TestFishCompletion(t *testing.T) {
	fish, err := exec.LookPath("fish")
	if err != nil {
		t.Skip("there is no fish here")
	}
	script, stderr, status := invoke(nil, "completion", "fish")
	if status != exitDone {
		t.Fatalf("status %d: %s", status, stderr)
	}
	for words, want := range map[string]string{
		"forebay che":         "check\tsay all that is wrong, ",
		"forebay --poli":      "--policy\tround-robin, least-conn, ",
		"forebay --max-co":    "--max-conns\tsessions at once; more wait in the kernel's queue",
		"forebay --policy le": "least-conn\t",
		"forebay help ro":     "routes",
	} {
		ask := exec.Command(fish, "--no-config", "-c", script+"complete -C "+quote(words))
		ask.Env = []string{"HOME=" + t.TempDir()}
		if got, err := ask.Output(); err != nil || !strings.HasPrefix(string(got), want) {
			t.Errorf("%s: got %q, %v; want %q first", words, got, err, want)
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
