package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKindsOfOutput(t *testing.T) {
	for path, want := range map[string]output{
		filepath.Join(t.TempDir(), "file"): toRegularFile,
		os.DevNull:                         toRegularFile,
		"/dev/ptmx":                        toTerminal, // a new one of no shell's (pty(7))
	} {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil && path == "/dev/ptmx" {
			t.Logf("no terminal can be had here: %v", err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := kindOf(f); got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
		f.Close()
	}
}
