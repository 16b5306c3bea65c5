package main

import (
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// A progress tells on w what is being done: on a terminal in one line that is written over, elsewhere a line a step.
type progress struct {
	w        io.Writer
	terminal bool
	total    int
	done     int
	began    time.Time
}

// newProgress returns a progress of total steps.
func newProgress(w io.Writer, total int) *progress {
	return &progress{w: w, terminal: isTerminal(w), total: total, began: time.Now()}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// next says what the next step is.
func (p *progress) next(format string, args ...any) {
	p.done++
	p.say(format, args...)
}

// say says what is done now, and for how long all has gone on.
func (p *progress) say(format string, args ...any) {
	line := fmt.Sprintf("%s %3d/%d  %s", clockTime(time.Since(p.began)), p.done, p.total, fmt.Sprintf(format, args...))
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

// end leaves the line.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// clockTime returns d as minutes and seconds, 2:05.
func clockTime(d time.Duration) string {
	seconds := int(d.Seconds())
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}
