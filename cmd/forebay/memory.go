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

// A memory is how many bytes this process may use: 0 where its control groups and the machine say so.
type memory int64

const (
	gibibyte    memory = 1 << 30
	leastMemory        = 32 * memory(mebibyte)
	mostMemory         = 1 << 20 * gibibyte
	noMemory    memory = math.MaxInt64 // off: there is no limit
)

// memoryUnits returns what a memory is written in, and how systemd and containers write the same, the largest first.
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

// String writes 150MiB, and of what is no whole number of a unit the nearest below.
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

// limitText writes a limit in whole MiB: what a machine has is 24105MiB, and not 24683620KiB. Where there is none, it is
// off.
func limitText(m l4.MemoryLimit) string {
	n := memory(m.Bytes)
	if n == 0 {
		return noMemory.String()
	}
	return (n - n%memory(mebibyte)).String()
}

// memoryLimit is what there is to go by.
func (c *config) memoryLimit() l4.MemoryLimit {
	switch c.Memory {
	case 0:
		return l4.FindMemoryLimit()
	case noMemory:
		return l4.MemoryLimit{}
	}
	return l4.MemoryLimit{Bytes: int64(c.Memory), From: "--memory"}
}

// limitHeap has Go collect garbage more eagerly as its heap comes near to what there is, unless the operator has said
// so by GOMEMLIMIT. It returns what undoes that.
func limitHeap(m l4.MemoryLimit) (undo func()) {
	if m.Bytes == 0 || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetMemoryLimit(m.Heap())
	return func() { debug.SetMemoryLimit(before) }
}
