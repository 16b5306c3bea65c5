package main

import (
	"fmt"
	"strconv"
	"strings"
)

// A size is a number of bytes, up to 1 GiB.
type size int

const (
	kibibyte size = 1 << 10
	mebibyte size = 1 << 20
	mostSize      = 1024 * mebibyte
)

// A sizeUnit is a unit of a size.
type sizeUnit struct {
	name  string
	bytes size
}

// sizeUnits returns the units, the largest first.
func sizeUnits() []sizeUnit { return []sizeUnit{{"MiB", mebibyte}, {"KiB", kibibyte}, {"B", 1}} }

func (s *size) UnmarshalText(text []byte) error {
	number, unit := string(text), size(0)
	for _, u := range sizeUnits() {
		if n, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = n, u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 31)
	switch {
	case err == nil && n == 0:
	case err == nil && unit == 0:
		return fmt.Errorf("%q has no unit; write %sB, %sKiB or %sMiB", text, number, number, number)
	case err != nil:
		return fmt.Errorf("%q is no size; write it like 512B, 16KiB or 1MiB", text)
	case n > uint64(mostSize/unit):
		return fmt.Errorf("%q is more than %s", text, mostSize)
	}
	*s = size(n) * unit
	return nil
}

// String returns the size in its largest unit: 16KiB and not 16384B.
func (s size) String() string {
	for _, u := range sizeUnits() {
		if s != 0 && s%u.bytes == 0 {
			return strconv.Itoa(int(s/u.bytes)) + u.name
		}
	}
	return "0"
}
