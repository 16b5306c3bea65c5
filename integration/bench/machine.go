package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A machine tells how much of the processors others took during a run: what a reader needs to know to trust its
// numbers.
type machine struct{ busy, idle, ours time.Duration }

// clockTick is the unit of /proc/stat, USER_HZ, which is the same on all architectures that Linux has kept.
const clockTick = 10 * time.Millisecond

// readMachine returns the times since boot, of which ours are those of this process and of its children that have
// ended.
func readMachine() (machine, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machine{}, err
	}
	m, err := parseStat(text)
	if err != nil {
		return machine{}, fmt.Errorf("/proc/stat: %w", err)
	}
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if err := unix.Getrusage(who, &u); err != nil {
			return machine{}, fmt.Errorf("read what this process has used: %w", err)
		}
		m.ours += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return m, nil
}

// parseStat reads the first line of /proc/stat: cpu user nice system idle iowait irq softirq steal …
func parseStat(text []byte) (machine, error) {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	fields := bytes.Fields(first)
	if len(fields) < 9 || string(fields[0]) != "cpu" {
		return machine{}, errors.New(`the first line is not "cpu" and eight numbers`)
	}
	var m machine
	for i, field := range fields[1:9] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return machine{}, err
		}
		if i == 3 || i == 4 { // idle, iowait
			m.idle += time.Duration(n) * clockTick
		} else {
			m.busy += time.Duration(n) * clockTick
		}
	}
	return m, nil
}

// othersSince returns the share of all processors' time between before and m that was neither idle nor ours.
func (m machine) othersSince(before machine) float64 {
	busy, idle, ours := m.busy-before.busy, m.idle-before.idle, m.ours-before.ours
	if busy+idle <= 0 {
		return 0
	}
	return max(0, float64(busy-ours)/float64(busy+idle))
}
