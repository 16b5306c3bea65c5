package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"forebay/l4/handoff"
)

var update = flag.Bool("update", false, "write what the commands say now to testdata")

// TestScripts runs the command lines in testdata/*.txt, the lines that begin with "$ ", and compares all that follows
// each: what it printed and, if not 0, its exit status. Variables of the environment may stand before the command.
func TestScripts(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := play(string(want))
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(want) {
				t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
			}
		})
	}
}

// play returns script with what its commands say now. Lines before the first command stay.
func play(script string) string {
	var b strings.Builder
	begun := false
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case isCommand:
			begun = true
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "%s\n%s", line, playLine(command))
		case !begun && line != "":
			fmt.Fprintf(&b, "%s\n", line)
		}
	}
	return b.String()
}

func playLine(command string) string {
	variables := map[string]string{}
	words := strings.Fields(command)
	for words[0] != programName {
		name, value, _ := strings.Cut(words[0], "=")
		variables[name] = strings.ReplaceAll(value, "+", " ")
		words = words[1:]
	}
	stdout, stderr, status := invoke(variables, words[1:]...)
	if status != exitDone {
		stderr += fmt.Sprintf("-> %d\n", status)
	}
	return stdout + stderr
}

// invoke runs a command line in this process.
func invoke(variables map[string]string, args ...string) (stdout, stderr string, status int) {
	var out, err bytes.Buffer
	e := testEnv(&out, &err, args...)
	e.environ = environ(variables)
	status = run(e)
	return out.String(), err.String(), status
}

// environ writes variables as os.Environ does.
func environ(variables map[string]string) []string {
	var all []string
	for name, value := range variables {
		all = append(all, name+"="+value)
	}
	return all
}

// testEnv is an env without variables or terminals, whose names are those of hosts and whose addresses nobody else has.
// A balancer that starts in it is told to stop.
func testEnv(out, err *bytes.Buffer, args ...string) *env {
	return &env{
		args:     args,
		stdout:   out,
		stderr:   err,
		notify:   func(c chan<- os.Signal, _ ...os.Signal) { c <- syscall.SIGTERM },
		resolver: hosts{},
		probe:    freePorts,
	}
}

// freePorts is handoff.Probe where no other process has an address.
func freePorts(s handoff.Spec) error {
	if err := handoff.Probe(s); !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	return nil
}

// hosts knows a few names, and addresses.
type hosts struct{}

func (hosts) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	known := map[string][]netip.Addr{
		"localhost":   {netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")},
		"db1.example": {netip.MustParseAddr("192.0.2.1")},
	}
	if all := known[host]; all != nil {
		return all, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// full is a disk that is.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// What prints and can't has failed.
func TestLostOutputIsAnError(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}, {"help", "all"}, {"version"}, {"completion", "bash"}, {"check", "127.0.0.1:8000"}} {
		var stderr bytes.Buffer
		e := testEnv(nil, &stderr, args...)
		e.stdout = full{}
		if got := run(e); got != exitFailed || stderr.String() != "forebay: no space left on device\n" {
			t.Errorf("%v: status %d, want %d; stderr %q", args, got, exitFailed, stderr.String())
		}
	}
}
