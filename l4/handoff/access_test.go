package handoff

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestPathsHaveAccess(t *testing.T) {
	for text, want := range map[string]Spec{
		"unix:/run/a.sock":           {path: "/run/a.sock"},
		"unix:/run/a,b.sock":         {path: "/run/a,b.sock"},
		"unix:/run/a.sock,mode=0660": {path: "/run/a.sock", file: access{mode: "0660"}},
		"unix:/run/a,b.sock,mode=600,owner=root,group=www-data": {path: "/run/a,b.sock", file: access{"600", "root", "www-data"}},
		"unix:/run/a.sock,group=33":                             {path: "/run/a.sock", file: access{group: "33"}},
	} {
		var s Spec
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: got %+v, %v, want %+v", text, s, err, want)
		}
		var again Spec
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s: read again as %+v, %v", s, again, err)
		}
		if got := s.called(); got != "unix:"+want.path {
			t.Errorf("%s: called %s", text, got)
		}
	}
	for text, want := range map[string]string{
		"unix:/run/a,mode=0888":     `"0888" is no mode; write three octal digits`,
		"unix:/run/a,mode=4660":     `"4660" is no mode`,
		"unix:/run/a,mode=u+w":      `"u+w" is no mode`,
		"unix:/run/a,mode=":         "option mode has no value; write it like mode=0660",
		"unix:/run/a,mode=6,mode=7": "option mode is there twice",
		"unix:/run/a,user=root":     `there is no option "user"; there are mode=0660, owner=USER and group=GROUP`,
		"unix:/run/a,mode=0660,":    `there is no option ""`,
		"unix:,mode=0660":           "names no socket",
		"unix:@a,mode=0660":         "an abstract socket has no file",
	} {
		var s Spec
		if err := s.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v, want %q", text, s, err, want)
		}
	}
}

func TestSocketsAreForWhomTheySay(t *testing.T) {
	root := os.Getuid() == 0
	for options, want := range map[string]struct {
		mode     os.FileMode
		uid, gid uint32
		root     bool // alone may do it
	}{
		",mode=0660":                            {0o660, uint32(os.Getuid()), uint32(os.Getgid()), false},
		",mode=0600,group=65534":                {0o600, uint32(os.Getuid()), 65534, true},
		",owner=nobody,group=nogroup,mode=0666": {0o666, 65534, 65534, true},
	} {
		path := filepath.Join(t.TempDir(), "s")
		s := Spec{path: path}
		if err := s.UnmarshalText([]byte("unix:" + path + options)); err != nil {
			t.Fatal(err)
		}
		if want.root && !root {
			continue
		}
		for range 2 { // the second one replaces a file that was left behind
			l, err := Listen(s, Options{})
			if err != nil {
				t.Skip(err) // a machine without such users
			}
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			raw := info.Sys().(*syscall.Stat_t)
			if info.Mode().Perm() != want.mode || raw.Uid != want.uid || raw.Gid != want.gid || l.Name != "unix:"+path {
				t.Errorf("%s: got %v of %d:%d, called %s; want %+v", options, info.Mode(), raw.Uid, raw.Gid, l.Name, want)
			}
			l.File.Close()
		}
	}
}

// A link that somebody has put in the place of the socket leads nowhere.
func TestNoLinkIsFollowed(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "s")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, file} {
		err := access{mode: "0666", group: strconv.Itoa(os.Getgid())}.apply(path)
		if info, _ := os.Stat(file); err == nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, and mode %v", path, err, info.Mode())
		}
	}
}

func TestMissingUsersAreTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := Spec{path: path, file: access{owner: "no-such-user", group: "no-such-group"}}
	_, err := Listen(s, Options{})
	for _, got := range []error{err, Probe(s)} {
		for _, want := range []string{`this machine has no user "no-such-user"`, `this machine has no group "no-such-group"`} {
			if got == nil || !strings.Contains(got.Error(), want) {
				t.Errorf("got %v, want %q", got, want)
			}
		}
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket's file stays")
	}
}
