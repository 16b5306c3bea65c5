package main

import (
	"encoding"
	"fmt"
	"strings"
	"testing"
	"time"

	"forebay/l4"
)

func TestRate(t *testing.T) {
	for text, want := range map[string]rate{
		"0":      {},
		"20/s":   {20, time.Second},
		"300/m":  {300, time.Minute},
		"1/h":    {1, time.Hour},
		"5/10s":  {5, 10 * time.Second},
		"5/90s":  {5, 90 * time.Second},
		"7/12ms": {7, 12 * time.Millisecond},
		"1/24h":  {1, 24 * time.Hour},
	} {
		var r rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%s: got %v and %v, want %v", text, l4.Rate(r), err, l4.Rate(want))
		}
		var again rate
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%s is written as %s, which reads as %v, %v", text, r, l4.Rate(again), err)
		}
	}
	if got := (rate{20, time.Second}).String(); got != "20/s" {
		t.Errorf("got %s, want 20/s", got)
	}
}

func TestFaultyClientValues(t *testing.T) {
	for _, c := range []struct {
		into encoding.TextUnmarshaler
		text string
		want string
	}{
		{new(rate), "20", "does not say in what time; write 20/s or 20/m"},
		{new(rate), "0/s", "is no rate"},
		{new(rate), "20/", "is no rate"},
		{new(rate), "20/day", "is no rate"},
		{new(rate), "20/25h", "is no rate"},
		{new(rate), "-1/s", "is no rate"},
		{new(rate), "20/0s", "is no rate"},
		{new(bandwidth), "1MiB", "is a size; write 1MiB/s"},
		{new(bandwidth), "10", "is no bandwidth"},
		{new(bandwidth), "10Mbit/s", "is no bandwidth"},
		{new(bandwidth), "2048MiB/s", "is no bandwidth"},
		{new(addressRange), "10.0.0.1/8", "names an address within a range; write 10.0.0.0/8"},
		{new(addressRange), "example.com", "is no range of addresses"},
		{new(addressRange), "fe80::1%", "does not name its interface; write fe80::1%eth0"},
		{new(addressRange), "fe80::1%2", "does not name its interface; write fe80::1%eth0"},
		{new(addressRange), "fe80::1%eth0/64", "names an address within a range; write fe80::%eth0/64 for the range"},
		{new(addressRange), "2001:db8::1%eth0", "has a zone, which only link-local addresses have (fe80::/10); write 2001:db8::1"},
		{new(addressRange), "169.254.0.1%eth0", "has a zone, which only link-local addresses have"},
		{new(onLimit), "drop", "there are reset, close and delay"},
	} {
		if err := c.into.UnmarshalText([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T %q: got %v, want an error with %q", c.into, c.text, err, c.want)
		}
	}
}

func TestBandwidth(t *testing.T) {
	for text, want := range map[string]l4.Rate{
		"0":       {},
		"0B/s":    {},
		"100B/s":  {N: 50, Per: time.Second / 2},
		"64KiB/s": {N: 32 << 10, Per: time.Second / 2},
	} {
		var b bandwidth
		if err := b.UnmarshalText([]byte(text)); err != nil || b.over(time.Second/2) != want {
			t.Errorf("%s: got %v and %v, want %v", text, b.over(time.Second/2), err, want)
		}
		if got := fmt.Sprint(b); want.N > 0 && got != text {
			t.Errorf("%s is written as %s", text, got)
		}
	}
}

func TestRangesOfOneLink(t *testing.T) {
	for text, want := range map[string]string{
		"fe80::1%eth0":     "fe80::1%eth0/128",
		"fe80::%eth0/64":   "fe80::%eth0/64",
		"fe80::1%eth0/128": "fe80::1%eth0/128",
		"fe80::/10":        "fe80::/10",
	} {
		var r addressRange
		if err := r.UnmarshalText([]byte(text)); err != nil || r.String() != want {
			t.Errorf("%s: got %s, %v, want %s", text, r, err, want)
		}
		var again addressRange
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%s: read again: got %+v, %v, want %+v", r, again, err, r)
		}
	}
}
