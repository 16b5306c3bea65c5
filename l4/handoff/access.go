package handoff

import (
	"cmp"
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An access is who may connect to a UNIX socket, as its file has it: who may write there (unix(7)). It is comparable;
// the zero access is as the process makes files, by its umask.
type access struct {
	mode  string // in octal digits; "": not said
	owner string // a name or a number; "": not said, here and below
	group string
}

// cutOptions cuts text, which stands behind unix:, before the first option. A comma alone may be a part of the path.
func cutOptions(text string) (path string, options []string) {
	for i := range text {
		if text[i] != ',' {
			continue
		}
		if name, _, found := strings.Cut(text[i+1:], "="); found &&
			strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") == "" {
			return text[:i], strings.Split(text[i+1:], ",")
		}
	}
	return text, nil
}

// read reads the options.
func (a *access) read(options []string) error {
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		at := map[string]*string{"mode": &a.mode, "owner": &a.owner, "group": &a.group}[name]
		switch {
		case at == nil:
			return fmt.Errorf("there is no option %q; there are mode=0660, owner=USER and group=GROUP", name)
		case *at != "":
			return fmt.Errorf("option %s is there twice", name)
		case value == "":
			return fmt.Errorf("option %s has no value; write it like %s", name,
				map[string]string{"mode": "mode=0660", "owner": "owner=www-data", "group": "group=www-data"}[name])
		}
		*at = value
	}
	if a.mode == "" {
		return nil
	}
	if n, err := strconv.ParseUint(a.mode, 8, 32); err != nil || n > 0o777 {
		return fmt.Errorf(
			"%q is no mode; write three octal digits, as in mode=0660: reading and writing for owner and group", a.mode)
	}
	return nil
}

// String returns what stands behind the path.
func (a access) String() string {
	var b strings.Builder
	for _, o := range [...]struct{ name, value string }{{"mode", a.mode}, {"owner", a.owner}, {"group", a.group}} {
		if o.value != "" {
			b.WriteString("," + o.name + "=" + o.value)
		}
	}
	return b.String()
}

// apply gives the socket's file at path what a says. It is called before anybody can connect, so that nobody does who
// may not. It follows no link: whoever may write to the directory could have put one there meanwhile. The mode comes
// first, as a new owner may replace the file.
func (a access) apply(path string) error {
	uid, gid, err := a.ids()
	if err != nil || a == (access{}) {
		return err
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var found unix.Stat_t
	switch err := unix.Fstat(fd, &found); {
	case err != nil:
		return err
	case found.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return errNotSocket
	}
	if a.mode != "" {
		mode, _ := strconv.ParseUint(a.mode, 8, 32)
		// fchmod(2) takes no O_PATH
		if err := unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), uint32(mode)); err != nil {
			return fmt.Errorf("give the socket's file mode %s: %w", a.mode, err)
		}
	}
	if uid >= 0 || gid >= 0 {
		if err := unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
			return fmt.Errorf(
				"give the socket's file to %s: %w: only root may give it away, and others to a group that they are in",
				cmp.Or(strings.Trim(a.String(), ","), "nobody"), err)
		}
	}
	return nil
}

// ids returns the numbers of owner and group, -1 for what is not said.
func (a access) ids() (uid, gid int, err error) {
	uid, err = number(a.owner, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", fmt.Errorf("this machine has no user %q", name)
		}
		return u.Uid, nil
	})
	gid, err2 := number(a.group, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", fmt.Errorf("this machine has no group %q", name)
		}
		return g.Gid, nil
	})
	return uid, gid, errors.Join(err, err2)
}

// number returns the number that text is, or that look finds for it; -1 for "".
func number(text string, look func(string) (string, error)) (int, error) {
	if text == "" {
		return -1, nil
	}
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return int(n), nil
	}
	found, err := look(text)
	if err != nil {
		return -1, err
	}
	return strconv.Atoi(found)
}
