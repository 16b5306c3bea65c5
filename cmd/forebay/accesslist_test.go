package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"forebay/tls/file"
)

// listOf returns a list of flags and one file of each kind.
func listOf(t *testing.T, allowed, denied string) (c *commandLine, l *accessList, allow, deny string) {
	t.Helper()
	dir := t.TempDir()
	allow, deny = filepath.Join(dir, "allow"), filepath.Join(dir, "deny")
	rewrite(t, allow, allowed)
	rewrite(t, deny, denied)
	c = read(nil, "--allow", "10.0.0.0/8", "--allow-file", allow, "--deny-file", deny, "a:1")
	p := &plan{config: c.config}
	c.planAccess(p)
	return c, p.access, allow, deny
}

// rewrite puts another file in the place of path, as one should.
func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func wantAccess(t *testing.T, l *accessList, in, out string) {
	t.Helper()
	for _, ip := range strings.Fields(in) {
		if !l.Allows(netip.MustParseAddr(ip)) {
			t.Errorf("%s is kept out", ip)
		}
	}
	for _, ip := range strings.Fields(out) {
		if l.Allows(netip.MustParseAddr(ip)) {
			t.Errorf("%s is let in", ip)
		}
	}
}

func TestFlagsAndFilesAreOneList(t *testing.T) {
	c, l, _, _ := listOf(t, "# us\n192.0.2.0/24 # here\n\n 2001:db8::/32\n", "10.1.0.0/16\n192.0.2.7\n")
	if err := c.faults.err(); err != nil {
		t.Fatal(err)
	}
	wantAccess(t, l, "10.2.0.1 192.0.2.1 2001:db8::1", "10.1.0.1 192.0.2.7 198.51.100.1 2001:db9::1")
}

func TestRangeFileIsReadAgain(t *testing.T) {
	_, l, allow, deny := listOf(t, "192.0.2.0/24", "")
	check := func(path string) (told bool, err error) {
		for _, f := range l.files {
			if f.file.Path == path {
				e, ok := f.Check()
				return ok, e.Err
			}
		}
		t.Fatalf("%s is not looked at", path)
		return false, nil
	}
	if told, _ := check(deny); told {
		t.Error("a file that has not changed was told")
	}
	rewrite(t, deny, "192.0.2.0/25\n")
	if told, err := check(deny); !told || err != nil {
		t.Errorf("told: %v, %v; want that the file is in use", told, err)
	}
	wantAccess(t, l, "192.0.2.200", "192.0.2.1")
	for _, text := range []string{"192.0.2.0/2500\n", "", "# nobody\n"} {
		rewrite(t, allow, text)
		if told, _ := check(allow); told {
			t.Errorf("%q is told at the first look, at which it may be half written", text)
		}
		if told, err := check(allow); !told || err == nil || !strings.HasPrefix(err.Error(), allow) {
			t.Errorf("%q: told: %v, %v; want a fault", text, told, err)
		}
		if told, _ := check(allow); told {
			t.Errorf("%q is told twice", text)
		}
		wantAccess(t, l, "192.0.2.200 10.0.0.1", "192.0.2.1 198.51.100.1")
	}
}

// TestRangeFileIsReadAgainWhileItIsBad has one that could not be read when it had changed, as for want of a descriptor.
func TestRangeFileIsReadAgainWhileItIsBad(t *testing.T) {
	_, l, _, deny := listOf(t, "192.0.2.0/24", "")
	f := l.files[slices.IndexFunc(l.files, func(f *rangeFile) bool { return f.file.Path == deny })]
	rewrite(t, deny, "192.0.2.0/25\n")
	f.file.Changed()
	f.fault = syscall.EMFILE
	if e, told := f.Check(); !told || e.Err != nil {
		t.Errorf("told: %v, %v; want that the file is in use", told, e.Err)
	}
	wantAccess(t, l, "192.0.2.200", "192.0.2.1")
	if e, told := f.Check(); told {
		t.Errorf("told again: %v", e)
	}
}

// TestALargeBadRangeFileIsReadSeldom has one that takes a fifth of a second to read.
func TestALargeBadRangeFileIsReadSeldom(t *testing.T) {
	_, l, _, deny := listOf(t, "192.0.2.0/24", "")
	f := l.files[slices.IndexFunc(l.files, func(f *rangeFile) bool { return f.file.Path == deny })]
	rewrite(t, deny, strings.Repeat("192.0.2.0/25\n", 10_000))
	f.file.Changed()
	f.fault = errors.New("not now")
	looks := 1
	for ; f.fault != nil && looks < 200; looks++ {
		f.Check()
	}
	if looks < 20 || looks == 200 {
		t.Errorf("it was read again at look %d", looks)
	}
}

// TestFaultyLinesAreQuotedSparingly has the same lines in files that everybody may read, and that only some may: as the
// file is closed, or a directory into which a link leads.
func TestFaultyLinesAreQuotedSparingly(t *testing.T) {
	const secret = "root:$y$j9T$secret:19000:0:99999:7:::"
	text := secret + "\n" + strings.Repeat("x", 9000) + "\n" + strings.Repeat(secret+"\n", 9)
	for _, flag := range []string{"allow-file", "deny-file", "drain-file"} {
		for _, c := range []struct {
			file, dir os.FileMode
			linked    bool
			quoted    int
		}{
			{0o644, 0o755, false, 9},
			{0o644, 0o700, false, 9},
			{0o644, 0o755, true, 9},
			{0o644, 0o700, true, 0},
			{0o640, 0o755, false, 0},
			{0o640, 0o755, true, 0},
			{0o600, 0o755, true, 0},
		} {
			path := filepath.Join(openDir(t), "closed", "shadow")
			link := filepath.Join(t.TempDir(), "link")
			if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.Symlink(path, link)); err != nil {
				t.Fatal(err)
			}
			rewrite(t, path, text)
			if err := errors.Join(os.Chmod(path, c.file), os.Chmod(filepath.Dir(path), c.dir)); err != nil {
				t.Fatal(err)
			}
			named := path
			if c.linked {
				named = link
			}
			_, stderr, status := invoke(nil, "check", "-l", "127.0.0.1:0", "127.0.0.1:1", "--"+flag, named)
			if n := strings.Count(stderr, "$secret"); status != exitUsage || n < c.quoted || n > 2*c.quoted || len(stderr) > 3000 {
				t.Errorf("--%s, %+v: quoted %d times; status %d\n%s", flag, c, n, status, stderr)
			}
			long, more := ": line 2: it is not ", 8
			if c.quoted > 0 {
				long, more = ": line 2: it has 9000 bytes; write at most 512", 1
			}
			for _, want := range []string{": line 1: ", long, ": line 3: ", fmt.Sprintf(" (and %d more)", more)} {
				if !strings.Contains(stderr, want) {
					t.Errorf("--%s, %+v: got\n%swant %q", flag, c, stderr, want)
				}
			}
		}
	}
}

// TestRangesOfMissingLinksAreNoted: the interface of a tunnel may come later.
func TestRangesOfMissingLinksAreNoted(t *testing.T) {
	stdout, stderr, status := invoke(nil, "check", "-l", "127.0.0.1:0", "127.0.0.1:1", "--allow", "fe80::1%nosuch0", "--deny", "fe80::1%lo", "--proxy-in", "fe80::2%nosuch1")
	want := "proxy-in: fe80::2%nosuch1/128 is of no client as long as this machine has no network interface \"nosuch1\"; ip link lists those it has\n" +
		"allow: fe80::1%nosuch0/128 is of no client"
	if stderr != "" || status != exitDone || !strings.Contains(stdout, want) || strings.Contains(stdout, "interface \"lo\"") {
		t.Errorf("got status %d, %s\n%s", status, stderr, stdout)
	}
}

func TestFaultyRangeFilesAreRefused(t *testing.T) {
	c, _, _, _ := listOf(t, "", "10.0.0.0/8\nten\n10.0.0.1/8\n")
	err := c.faults.err()
	for _, want := range []string{"allows nobody", "line 2: \"ten\" is no range of addresses", "line 3: \"10.0.0.1/8\" names an address within a range"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a fault with %q", err, want)
		}
	}
}

// TestSIGHUPReadsAccessLists has a process let nobody in, and then everybody.
func TestSIGHUPReadsAccessLists(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deny")
	rewrite(t, path, "0.0.0.0/0\n")
	r := start(t, "--listen", "127.0.0.1:0", "--deny-file", path, "--allow", "127.0.0.0/8", "--deny", "127.0.0.1")
	rewrite(t, path, "# nobody\n")
	r.signals <- syscall.SIGHUP
	if m := r.wait("SIGHUP: read a file again"); m["file"] != path {
		t.Errorf("got %v, want %s", m, path)
	}
	r.signals <- syscall.SIGTERM
	r.ends(exitDone)
}

// FuzzRanges holds that a file of ranges is either refused, naming a line of it, or read as what its ranges say when
// written again.
func FuzzRanges(f *testing.F) {
	for _, text := range []string{"", "10.0.0.0/8\n192.0.2.7 # one\n", "::/0", "# nobody\r\n\r\n2001:db8::/32", "10.0.0.1/8", "fe80::1%eth0\n", "\x00"} {
		f.Add([]byte(text))
	}
	open := &rangeFile{file: file.Watched{Path: "file", Quotable: true}}
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := open.parse(text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "file: line ") {
				t.Fatalf("%q: the fault %q names no line", text, err)
			}
			return
		}
		var again strings.Builder
		for _, r := range all {
			again.WriteString(r.String() + "\n")
		}
		same, err := open.parse([]byte(again.String()))
		if err != nil || !slices.Equal(same, all) {
			t.Fatalf("%q is read as %v, which is read as %v, %v", text, all, same, err)
		}
	})
}
