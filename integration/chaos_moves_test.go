package integration

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Event loops hand sessions over where one is busy and a processor is idle. Nothing is told of that. But each loop has
// an epoll instance, and the kernel tells what is registered with it (proc_pid_fdinfo(5)): a socket that was registered
// with one and is with another later has moved.

// A moveWatch finds out which sockets of a process move between its epoll instances.
type moveWatch struct {
	pid     string
	sockets string            // the file system that they are of, as the kernel writes it
	where   map[string]string // by inode: the descriptor of the instance that a socket was last seen with
	moves   atomic.Int64
}

// newMoveWatch watches f.
func newMoveWatch(f *forebay) (*moveWatch, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var one unix.Stat_t
	if err := unix.Fstat(fd, &one); err != nil {
		return nil, err
	}
	return &moveWatch{pid: f.pid(), sockets: fmt.Sprintf("sdev:%x", unix.Minor(one.Dev)), where: map[string]string{}}, nil
}

// look counts the sockets that have moved since the last look. What is registered with several instances is a listening
// socket, or is moving now.
func (w *moveWatch) look() {
	now := map[string]string{}
	for _, fd := range descriptorsOf(w.pid, "anon_inode:[eventpoll]") {
		text, _ := os.ReadFile("/proc/" + w.pid + "/fdinfo/" + fd)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line) // tfd: … events: … data: … pos:0 ino:… sdev:…
			if len(f) < 9 || f[0] != "tfd:" || f[8] != w.sockets {
				continue
			}
			at := fd
			if _, several := now[f[7]]; several {
				at = ""
			}
			now[f[7]] = at
		}
	}
	for inode, at := range now {
		if before := w.where[inode]; at != "" && before != "" && at != before {
			w.moves.Add(1)
		}
		if at != "" {
			w.where[inode] = at
		}
	}
}

// watch looks until it is enough.
func (w *moveWatch) watch(enough func() bool) {
	for !enough() {
		w.look()
		<-time.After(100 * time.Millisecond)
	}
}

// descriptorsOf returns a process's descriptors of what the kernel calls name.
func descriptorsOf(pid, name string) (all []string) {
	dir := "/proc/" + pid + "/fd"
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if to, _ := os.Readlink(dir + "/" + e.Name()); to == name {
			all = append(all, e.Name())
		}
	}
	return all
}
