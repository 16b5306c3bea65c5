package l4

import (
	"strings"
	"testing"
)

func TestRecordsAreCounted(t *testing.T) {
	record := func(n int) string {
		return "\x17\x03\x03" + string([]byte{byte(n >> 8), byte(n)}) + strings.Repeat("x", n)
	}
	for name, c := range map[string]struct {
		stream string
		whole  int
	}{
		"nothing":           {"", 0},
		"half a head":       {"\x17\x03\x03", 0},
		"a head":            {record(1)[:5], 0},
		"one":               {record(300), 1},
		"an empty one":      {record(0), 1},
		"one and a half":    {record(300) + record(300)[:200], 1},
		"three":             {record(1) + record(0) + record(16<<10), 3},
		"three and a piece": {record(1) + record(0) + record(700) + "\x17", 3},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 5, 7, 100, 1 << 20} {
				var r records
				for rest := []byte(c.stream); len(rest) > 0; rest = rest[min(size, len(rest)):] {
					r.pass(rest[:min(size, len(rest))])
				}
				if r.whole != c.whole {
					t.Errorf("in pieces of %d: %d have passed, want %d", size, r.whole, c.whole)
				}
			}
		})
	}
}
