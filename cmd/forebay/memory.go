package main

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"forebay/l4"
)

// A memory is how many bytes this process may use. 0: as many as its control groups and the machine allow.
type memory int64

const (
	gibibyte    memory = 1 << 30
	leastMemory        = 32 * memory(mebibyte)
	mostMemory         = 1 << 20 * gibibyte
	noMemory    memory = math.MaxInt64 // off: there is no limit
)

// memoryUnits returns the units of a memory, the largest first, with the letters that systemd and containers use.
func memoryUnits() []struct {
	name, short string
	bytes       memory
} {
	return []struct {
		name, short string
		bytes       memory
	}{{"GiB", "G", gibibyte}, {"MiB", "M", memory(mebibyte)}, {"KiB", "K", memory(kibibyte)}}
}

func (m *memory) UnmarshalText(text []byte) error {
	switch string(text) {
	case "auto":
		*m = 0
		return nil
	case "off":
		*m = noMemory
		return nil
	}
	for _, u := range memoryUnits() {
		number, short := strings.CutSuffix(string(text), u.short)
		if !short {
			number = strings.TrimSuffix(string(text), u.name)
		}
		n, err := strconv.ParseUint(number, 10, 31)
		switch {
		case number == string(text) || err != nil:
			continue
		case memory(n) > mostMemory/u.bytes:
			return fmt.Errorf("%q is more than %s", text, mostMemory)
		case memory(n)*u.bytes < leastMemory:
			return fmt.Errorf("%q is too little to work with; write %s or more", text, leastMemory)
		}
		*m = memory(n) * u.bytes
		return nil
	}
	return fmt.Errorf("%q is neither auto nor off nor a size like 512MiB or 2GiB", text)
}

// String returns a whole number of a unit, such as 150MiB. A value between two is rounded down.
func (m memory) String() string {
	switch m {
	case 0:
		return "auto"
	case noMemory:
		return "off"
	}
	for _, u := range memoryUnits() {
		if m%u.bytes == 0 {
			return strconv.FormatInt(int64(m/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(m/memory(mebibyte)), 10) + "MiB"
}

// limitText returns a limit in whole MiB, since 24105MiB is easier to read than 24683620KiB. Without a limit it returns
// "off".
func limitText(m l4.MemoryLimit) string {
	n := memory(m.Bytes)
	if n == 0 {
		return noMemory.String()
	}
	return (n - n%memory(mebibyte)).String()
}

// memoryLimit returns the limit by the settings, or the one of the machine.
func (c *config) memoryLimit() l4.MemoryLimit {
	switch c.Memory {
	case 0:
		return l4.FindMemoryLimit()
	case noMemory:
		return l4.MemoryLimit{}
	}
	return l4.MemoryLimit{Bytes: int64(c.Memory), From: "--memory"}
}

// limitHeap has Go collect garbage more often as its heap comes near the limit. It changes nothing where GOMEMLIMIT is
// set. undo restores the limit before.
func limitHeap(m l4.MemoryLimit) (undo func()) {
	if m.Bytes == 0 || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetMemoryLimit(m.Heap())
	return func() { debug.SetMemoryLimit(before) }
}
