package l4

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// idleTime is how long the processors of this machine have been idle since it started, all of them added up.
type idleTime struct {
	idle time.Duration
	at   int64 // on the server's clock
}

// since returns how idle they have been since then, in ‰ of one processor.
func (t idleTime) since(then idleTime) int64 {
	if t.at <= then.at {
		return 0
	}
	return 1000 * int64(t.idle-then.idle) / (t.at - then.at)
}

// idleTime asks the kernel, which costs some 50 µs of a processor on a small machine. Where the kernel does not tell,
// the machine counts as idle.
func (s *Server) idleTime(now int64) idleTime {
	if s.idle != nil {
		return idleTime{s.idle(), now}
	}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return idleTime{time.Duration(now), now}
	}
	idle, ok := parseIdle(text)
	if !ok {
		idle = time.Duration(now)
	}
	return idleTime{idle, now}
}

// userTick is the unit of /proc/stat, USER_HZ, the same on all architectures that Linux has kept.
const userTick = 10 * time.Millisecond

// parseIdle reads the fourth number of the first line of /proc/stat (proc_stat(5)): cpu user nice system idle …
func parseIdle(text []byte) (idle time.Duration, ok bool) {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	fields := bytes.Fields(first)
	if len(fields) < 5 || string(fields[0]) != "cpu" {
		return 0, false
	}
	n, err := strconv.ParseInt(string(fields[4]), 10, 64)
	return time.Duration(n) * userTick, err == nil
}
