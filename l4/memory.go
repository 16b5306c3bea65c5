package l4

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// A MemoryLimit is how many bytes of memory this process may use, and who has set that limit.
type MemoryLimit struct {
	Bytes int64 // 0: no limit
	From  string
}

// FindMemoryLimit returns the least of the limits of the control groups that this process is in (cgroups(7), version 1
// and 2), each group above its own included, as systemd's MemoryMax= and containers set them, and of what the machine
// has.
func FindMemoryLimit() MemoryLimit { return memoryLimitIn(os.DirFS("/")) }

func memoryLimitIn(root fs.FS) MemoryLimit {
	limit := machineMemory(root)
	for _, g := range memoryGroups(root) {
		for _, found := range g.limits(root) {
			if found.Bytes > 0 && (limit.Bytes == 0 || found.Bytes < limit.Bytes) {
				limit = found
			}
		}
	}
	return limit
}

// machineMemory reads MemTotal (proc(5)).
func machineMemory(root fs.FS) MemoryLimit {
	text, _ := fs.ReadFile(root, "proc/meminfo")
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			return MemoryLimit{n << 10, "the machine's memory"}
		}
	}
	return MemoryLimit{}
}

// A memoryGroup is a control group that this process is in, as far as it is seen in the file system.
type memoryGroup struct {
	mount string // where the hierarchy is mounted
	below string // the group, below that
	files []string
}

// memoryGroups returns the group of each hierarchy that accounts memory: of version 2, of version 1, or of both where
// both are mounted.
func memoryGroups(root fs.FS) (all []memoryGroup) {
	groups := ownGroups(root)
	text, _ := fs.ReadFile(root, "proc/self/mountinfo")
	for line := range strings.Lines(string(text)) {
		before, after, found := strings.Cut(line, " - ")
		mount, kind := strings.Fields(before), strings.Fields(after)
		if !found || len(mount) < 5 || len(kind) < 3 {
			continue
		}
		g := memoryGroup{mount: unescapeMount(mount[4])}
		controller := ""
		switch {
		case kind[0] == "cgroup2":
			g.files = []string{"memory.max", "memory.high"}
		case kind[0] == "cgroup" && strings.Contains(","+kind[2]+",", ",memory,"):
			g.files, controller = []string{"memory.limit_in_bytes"}, "memory"
		default:
			continue
		}
		own, known := groups[controller]
		if rest, within := strings.CutPrefix(own, strings.TrimSuffix(unescapeMount(mount[3]), "/")); known && within {
			g.below = rest
		}
		all = append(all, g)
	}
	return all
}

// ownGroups returns the group of this process by controller; the group of version 2 has no controller, "".
func ownGroups(root fs.FS) map[string]string {
	groups := map[string]string{}
	file, err := root.Open("proc/self/cgroup")
	if err != nil {
		return groups
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if parts := strings.SplitN(lines.Text(), ":", 3); len(parts) == 3 {
			for controller := range strings.SplitSeq(parts[1], ",") {
				groups[controller] = parts[2]
			}
		}
	}
	return groups
}

// limits returns what is set for the group and for each above it, up to where the hierarchy is mounted.
func (g memoryGroup) limits(root fs.FS) (all []MemoryLimit) {
	for below := path.Clean("/" + g.below); ; below = path.Dir(below) {
		for _, file := range g.files {
			name := path.Join(g.mount, below, file)
			text, err := fs.ReadFile(root, strings.TrimPrefix(name, "/"))
			n, notNumber := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" where there is none
			if err == nil && notNumber == nil {
				all = append(all, MemoryLimit{n, fmt.Sprintf("%s of the control group %s", file, below)})
			}
		}
		if below == "/" {
			return all
		}
	}
}

// unescapeMount undoes how mountinfo writes blanks and backslashes (proc(5)).
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// How a limit of memory is shared out. The kernel's part of a session (two sockets, with their files) is measured; only
// the end of the session gives it back. What sessions hold beside that comes and goes. As much again is left to
// garbage, and the last quarter to the rest of the process.
const (
	sessionShare = 4 // a quarter
	bufferShare  = 4
	heapShare    = 4 // of which three are for Go's heap
	sessionBytes = 8 << 10
)

// Sessions returns how many sessions at once a limit has room for; -1 where there is no limit.
func (m MemoryLimit) Sessions() int {
	if m.Bytes == 0 {
		return -1
	}
	return int(min(m.Bytes/sessionShare/sessionBytes, mostSessions))
}

// Buffers returns how many bytes sessions may hold together under a limit; 0 where there is no limit.
func (m MemoryLimit) Buffers() int64 { return m.Bytes / bufferShare }

// Heap returns at what size of its heap Go is to collect garbage more eagerly (runtime/debug.SetMemoryLimit); 0 where
// there is no limit.
func (m MemoryLimit) Heap() int64 { return m.Bytes / heapShare * (heapShare - 1) }
