package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// No file that a flag names is waited for, or read without an end. Each flag that there is for a file is looked at.
func TestFilesWithoutAnEndAreRefused(t *testing.T) {
	f := furnished(t)
	if err := syscall.Mkfifo(f.path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.writeText("long", nil)
	if err := os.Truncate(f.path("long"), 1<<26+1); err != nil {
		t.Fatal(err)
	}
	needed := map[string]string{ // with each flag, for its file to be read
		"tls-cert":        "--tls-key $D/site.key",
		"tls-key":         "--tls-cert $D/site.pem",
		"tls-ticket-keys": "--tls-cert $D/site.pem --tls-key $D/site.key",
		"tls-client-ca":   "--tls-cert $D/site.pem --tls-key $D/site.key",
		"tls-client-crl":  "--tls-cert $D/site.pem --tls-key $D/site.key --tls-client-ca $D/ca.pem",
		"tls-ech-keys":    "--tls-cert $D/site.pem --tls-key $D/site.key",
		"backend-ca":      "--backend-tls",
		"backend-cert":    "--backend-tls --backend-key $D/site.key",
		"backend-key":     "--backend-tls --backend-cert $D/site.pem",
	}
	for _, s := range newCommandLine().settings {
		if s.arg != "FILE" {
			continue
		}
		for file, want := range map[string]string{
			f.path("pipe"): "it is a pipe; name a regular file",
			os.DevNull:     "it is a device; name a regular file",
			f.path("long"): "it has 67108865 bytes; name a file of at most 64 MiB",
		} {
			want := "forebay: --" + s.name + ": read " + file + ": " + want + "\n"
			if s.name == "drain-file" && file != f.path("long") {
				want = "forebay: --drain-file: " + file + " is no file: name one, which may be made later\n"
			}
			args := append(f.args(needed[s.name]), "check", "--"+s.name, file, "127.0.0.1:8000")
			if _, stderr, status := invoke(nil, args...); stderr != want || status != exitUsage {
				t.Errorf("%s: got status %d and\n%swant\n%s", strings.Join(args, " "), status, stderr, want)
			}
		}
	}
}

// A file that was not meant may be one long line, which is not quoted.
func TestLongLinesAreNotQuoted(t *testing.T) {
	f := newFolder(t)
	f.writeText("fits", []byte(strings.Repeat("x", longestLine)+" # "+strings.Repeat("x", longestLine)+"\n"))
	f.writeText("long", []byte("# one\n"+strings.Repeat("x", longestLine+1)))
	for _, name := range []string{"fits", "long"} {
		if err := os.Chmod(f.path(name), 0o644); err != nil { // or nothing would be quoted at all
			t.Fatal(err)
		}
	}
	for _, flag := range []string{"--allow-file", "--deny-file", "--drain-file"} {
		_, stderr, _ := invoke(nil, "check", flag, f.path("long"), "127.0.0.1:8000")
		if want := "forebay: " + flag + ": " + f.path("long") + ": line 2: it has 513 bytes; write at most 512\n"; stderr != want {
			t.Errorf("%s: got\n%swant\n%s", flag, stderr, want)
		}
		_, stderr, _ = invoke(nil, "check", flag, f.path("fits"), "127.0.0.1:8000")
		if !strings.Contains(stderr, ": line 1: ") || !strings.Contains(stderr, "xxx\"") {
			t.Errorf("%s: got\n%swant the line quoted", flag, stderr)
		}
	}
}

// What has become a pipe is not waited for while clients are served, and what it held before stays in use.
func TestFilesThatLoseTheirEndAreLeftAlone(t *testing.T) {
	f := furnished(t)
	f.writeText("deny", []byte("192.0.2.0/24\n"))
	r := start(t, f.args("--listen 127.0.0.1:0 --tls-cert $D/site.pem --tls-key $D/site.key --deny-file $D/deny --tls-client-ca $D/ca.pem --tls-client-crl $D/ca.crl")...)
	for name, message := range map[string]string{
		"site.pem": "a certificate can't be renewed",
		"deny":     "a file can't be used",
		"ca.crl":   "a file can't be used",
	} {
		if err := syscall.Mkfifo(f.path("pipe"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(f.path("pipe"), f.path(name)); err != nil {
			t.Fatal(err)
		}
		if told := r.wait(message)["error"]; told != "read "+f.path(name)+": it is a pipe; name a regular file" {
			t.Errorf("%s: got %v", name, told)
		}
	}
	r.signals <- syscall.SIGTERM
	r.ends(exitDone)
}
