package main

import (
	"runtime/debug"
	"strings"
	"testing"

	"forebay/l4"
)

func TestMemoryValues(t *testing.T) {
	for text, want := range map[string]string{
		"auto": "auto", "off": "off", "64MiB": "64MiB", "64M": "64MiB", "2GiB": "2GiB", "2G": "2GiB", "1536MiB": "1536MiB", "65536KiB": "64MiB",
		"1MiB":       `"1MiB" is too little to work with; write 32MiB or more`,
		"0":          `"0" is neither auto nor off nor a size like 512MiB or 2GiB`,
		"64":         `"64" is neither auto nor off nor a size like 512MiB or 2GiB`,
		"-1GiB":      `"-1GiB" is neither auto nor off nor a size like 512MiB or 2GiB`,
		"9999999GiB": `"9999999GiB" is more than 1048576GiB`,
		"":           `"" is neither auto nor off nor a size like 512MiB or 2GiB`,
	} {
		var m memory
		got := ""
		if err := m.UnmarshalText([]byte(text)); err != nil {
			got = err.Error()
		} else {
			got = m.String()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func FuzzMemory(f *testing.F) {
	f.Add("64MiB")
	f.Add("2G")
	f.Fuzz(func(t *testing.T, text string) {
		var m, again memory
		if m.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(m.String())); err != nil || again != m {
			t.Errorf("%q is read as %s, and that as %s, %v", text, m, again, err)
		}
	})
}

// A memory bounds sessions where the descriptors would allow more, what they hold together, and Go's heap.
func TestMemoryReachesTheServer(t *testing.T) {
	for args, want := range map[string]struct {
		sessions int
		buffers  int64
		heap     int64
	}{
		"--memory 64MiB --max-conns auto": {2048, 16 << 20, 48 << 20},
		"--memory 64MiB --max-conns 3000": {3000, 16 << 20, 48 << 20},
		"--memory off --max-conns 3000":   {3000, 0, 0},
	} {
		before := debug.SetMemoryLimit(-1)
		if want.heap == 0 {
			want.heap = before
		}
		p := planned(t, append(strings.Fields(args), "-l", "127.0.0.1:0", "192.0.2.1:1")...)
		s := p.newServer()
		undo := limitHeap(p.memory)
		if got := debug.SetMemoryLimit(-1); p.sessions != want.sessions || s.Buffers != want.buffers || got != want.heap {
			t.Errorf("%s: got %d sessions, %d bytes, a heap of %d; want %+v", args, p.sessions, s.Buffers, got, want)
		}
		undo()
		if got := debug.SetMemoryLimit(-1); got != before {
			t.Errorf("%s: afterwards the heap may have %d bytes, want %d", args, got, before)
		}
	}
}

func TestReasonTellsOfMemory(t *testing.T) {
	p := planned(t, "-l", "127.0.0.1:0", "--memory", "64MiB", "192.0.2.1:1")
	if got := p.reason(); got != "from a memory of 64MiB (--memory)" {
		t.Errorf("got %s", got)
	}
}

func TestMemoryIsToldInMiBAndOffWhereThereIsNoLimit(t *testing.T) {
	for bytes, want := range map[int64]string{24683620 << 10: "24105MiB", 64 << 20: "64MiB", 0: "off"} {
		if got := limitText(l4.MemoryLimit{Bytes: bytes}); got != want {
			t.Errorf("%d bytes: got %s, want %s", bytes, got, want)
		}
	}
}
