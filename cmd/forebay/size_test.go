package main

import (
	"strings"
	"testing"
)

func TestSize(t *testing.T) {
	for _, test := range []struct {
		text  string
		bytes size
		shown string // "": as it was written
	}{
		{"0", 0, ""}, {"0B", 0, "0"}, {"512B", 512, ""}, {"16KiB", 16 << 10, ""}, {"1MiB", 1 << 20, ""},
		{"1024KiB", 1 << 20, "1MiB"}, {"1536KiB", 1536 << 10, ""}, {"1024MiB", 1 << 30, ""},
	} {
		var s size
		if err := s.UnmarshalText([]byte(test.text)); err != nil || s != test.bytes {
			t.Errorf("%s: got %d and %v, want %d", test.text, s, err, test.bytes)
		}
		want := test.shown
		if want == "" {
			want = test.text
		}
		if got := s.String(); got != want {
			t.Errorf("%s is written as %s, want %s", test.text, got, want)
		}
	}
}

func TestFaultySize(t *testing.T) {
	for text, want := range map[string]string{
		"16":      "has no unit; write 16B, 16KiB or 16MiB",
		"16k":     "is no size",
		"16KB":    "is no size",
		"-1KiB":   "is no size",
		"1.5MiB":  "is no size",
		"":        "is no size",
		"KiB":     "is no size",
		"1025MiB": "is more than 1024MiB",
	} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
}
