package health

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Status is a set of HTTP statuses, written as numbers and ranges with a plus between: 200-299+401. The empty Status
// is 200-299.
type Status []StatusRange

// A StatusRange is the statuses from First to Last.
type StatusRange struct{ First, Last int }

// orDefault returns s, or what the empty Status stands for.
func (s Status) orDefault() Status {
	if len(s) == 0 {
		return Status{{200, 299}}
	}
	return s
}

// Contains reports whether code is in s.
func (s Status) Contains(code int) bool {
	return slices.ContainsFunc(s.orDefault(), func(r StatusRange) bool { return r.First <= code && code <= r.Last })
}

// String returns s as UnmarshalText reads it.
func (s Status) String() string {
	parts := make([]string, 0, len(s)+1)
	for _, r := range s.orDefault() {
		part := strconv.Itoa(r.First)
		if r.Last != r.First {
			part += "-" + strconv.Itoa(r.Last)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "+")
}

// UnmarshalText reads 200, 200-299 or 200-299+401.
func (s *Status) UnmarshalText(text []byte) error {
	var read Status
	for part := range strings.SplitSeq(string(text), "+") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, ok1 := readStatus(from)
		last, ok2 := readStatus(to)
		if !ok1 || !ok2 || last < first {
			return fmt.Errorf(
				"%q is no status: write numbers from 100 to 599 such as 200, 200-299 or 200-299+401", part)
		}
		read = append(read, StatusRange{first, last})
	}
	*s = read
	return nil
}

// readStatus reads three digits (RFC 9110, section 15).
func readStatus(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err == nil && len(s) == 3 && 100 <= n && n <= 599
}
