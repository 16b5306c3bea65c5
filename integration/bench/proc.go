package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// What the kernel knows of running processes (proc(5)).

// processTree returns pid and its descendants that run now.
func processTree(pid int) []int {
	pids := []int{pid}
	// A file is gone when its thread is, which may have happened since the directory was read.
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, field := range bytes.Fields(text) {
			if child, err := strconv.Atoi(string(field)); err == nil {
				pids = append(pids, processTree(child)...)
			}
		}
	}
	return pids
}

// cpuTime returns the user and system time of all threads of pids, those that have ended included, to the nanosecond.
// It reads each process's CPU clock: /proc/PID/stat has the same number, in steps of 10 ms.
func cpuTime(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		var t unix.Timespec
		if err := unix.ClockGettime(cpuClock(pid), &t); err != nil {
			return 0, fmt.Errorf("read the CPU clock of process %d: %w", pid, err)
		}
		sum += time.Duration(t.Nano())
	}
	return sum, nil
}

// cpuClock returns the clock of all CPU time of a process, as clock_getcpuclockid(3) makes it: the inverted process
// number above three bits, of which 2 says scheduler time.
func cpuClock(pid int) int32 { return int32(^pid<<3 | 2) }

// residentBytes returns the memory of pids that is in RAM, from smaps_rollup: the number in status is only brought up
// to date every few pages.
func residentBytes(pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		kib, err := parseRollup(text)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		sum += kib << 10
	}
	return sum, nil
}

// parseRollup returns the KiB on the line "Rss:" of a smaps_rollup.
func parseRollup(text []byte) (int64, error) {
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == "Rss:" {
			return strconv.ParseInt(string(fields[1]), 10, 64)
		}
	}
	return 0, errors.New(`no line "Rss: N kB"`)
}

// descriptors returns how many files pids have open.
func descriptors(pids []int) (int, error) {
	n := 0
	for _, pid := range pids {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("process %d has ended", pid)
		}
		if err != nil {
			return 0, err
		}
		n += len(entries)
	}
	return n, nil
}

// usage is what processes hold.
type usage struct {
	memory int64 // bytes in RAM
	files  int
}

func usageOf(pids []int) (usage, error) {
	memory, err := residentBytes(pids)
	if err != nil {
		return usage{}, err
	}
	files, err := descriptors(pids)
	return usage{memory, files}, err
}
