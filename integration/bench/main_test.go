package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMain lets the tests start this binary as the benchmark starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{backendCommand, streamsCommand, loadCommand, referenceCommand}, os.Args[1]) {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestOptions(t *testing.T) {
	o, err := parseOptions([]string{
		"-only", "exchange,conn,bulk", "-rounds", "3", "-programs", "forebay,nginx", "-threads", "1", "-forebay", "x", "-json", "y",
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got := o.plan.measurements(); got != 3*3*2 {
		t.Errorf("measurements: got %d, want 3 steps × 3 rounds × 2 programs", got)
	}
	if o.forebay != "x" || o.json != "y" || o.page != "" {
		t.Errorf("got %+v, want forebay x, json y and no page for a part of the run", o)
	}
	if !slices.Equal(o.plan.Threads, []threads{1}) {
		t.Errorf("threads: got %v, want 1", o.plan.Threads)
	}
}

func TestWholeRunWritesThePage(t *testing.T) {
	for args, want := range map[string]string{
		"":                     "docs/benchmarks.md",
		"-rounds 2":            "docs/benchmarks.md",
		"-quick":               "",
		"-programs nginx":      "",
		"-threads default":     "",
		"-quick -page some.md": "some.md",
	} {
		o, err := parseOptions(strings.Fields(args), io.Discard)
		if err != nil || o.page != want {
			t.Errorf("%q: got page %q, %v; want %q", args, o.page, err, want)
		}
	}
}

func TestWrongOptions(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-only exchange,con", `-only "con": want some of exchange,conn,bulk,`},
		{"-rounds -1", "-rounds -1: want at least 1"},
		{"-threads 0", `-threads "0": want numbers from 1 to 64, or default`},
		{"-threads many", `-threads "many"`},
		{"forebay", `argument "forebay": there are only flags`},
		{"-fast", "flag provided but not defined: -fast"},
	}
	for _, test := range tests {
		_, err := parseOptions(strings.Fields(test.args), io.Discard)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %s", test.args, err, test.want)
		}
	}
}

func TestStatus(t *testing.T) {
	if got := status(run([]string{"-fast"})); got != 2 {
		t.Errorf("a wrong flag: got %d, want 2", got)
	}
	if got := status(errors.New("at work")); got != 1 {
		t.Errorf("an error at work: got %d, want 1", got)
	}
	if got := status(usageError{flag.ErrHelp}); got != 0 {
		t.Errorf("-h: got %d, want 0", got)
	}
}

func TestMissingPrograms(t *testing.T) {
	err := run([]string{"-programs", "forebay,nginy", "-forebay", filepath.Join(t.TempDir(), "forebay")})
	if status(err) != 2 {
		t.Errorf("got status %d, want 2", status(err))
	}
	for _, want := range []string{"build it with: make build", `program "nginy": want forebay, haproxy, nginx or io.Copy`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want all that is missing, among it %s", err, want)
		}
	}
}
