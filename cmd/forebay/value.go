package main

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"forebay/l4"
	"forebay/l4/accesslog"
)

// A value is the value of a setting, which is set by a text.
type value interface {
	set(text string) error
	reads(text string) bool // whether set would take it
	texts() []string        // texts that set would read back: one, or any number for a list
	repeatable() bool
}

// A single is a setting with one value.
type single[T fmt.Stringer, P interface {
	*T
	encoding.TextUnmarshaler
}] struct{ at *T }

func one[T fmt.Stringer, P interface {
	*T
	encoding.TextUnmarshaler
}](at *T) value {
	return single[T, P]{at}
}

func (v single[T, P]) set(text string) error { return P(v.at).UnmarshalText([]byte(text)) }
func (v single[T, P]) reads(text string) bool {
	var other T
	return P(&other).UnmarshalText([]byte(text)) == nil
}

func (v single[T, P]) texts() []string  { return []string{(*v.at).String()} }
func (v single[T, P]) repeatable() bool { return false }

// A list is a setting with several values. The first value that is given replaces the default.
type list[T fmt.Stringer, P interface {
	*T
	encoding.TextUnmarshaler
}] struct {
	at    *[]T
	given bool
}

func many[T fmt.Stringer, P interface {
	*T
	encoding.TextUnmarshaler
}](at *[]T) value {
	return &list[T, P]{at: at}
}

func (v *list[T, P]) set(text string) error {
	var element T
	if err := P(&element).UnmarshalText([]byte(text)); err != nil {
		return err
	}
	if !v.given {
		*v.at, v.given = nil, true
	}
	*v.at = append(*v.at, element)
	return nil
}

func (v *list[T, P]) reads(text string) bool {
	var element T
	return P(&element).UnmarshalText([]byte(text)) == nil
}

func (v *list[T, P]) texts() []string {
	all := make([]string, len(*v.at))
	for i := range all {
		all[i] = (*v.at)[i].String()
	}
	return all
}

func (v *list[T, P]) repeatable() bool { return true }

// A duration is a time.Duration that is never negative, never without a unit, and at most mostTime.
type duration time.Duration

// mostTime is ten years, longer than any process runs. Times up to it can be added to the clock, or multiplied, without
// overflow.
const mostTime = duration(87600 * time.Hour)

func (d *duration) UnmarshalText(text []byte) error {
	s := string(text)
	parsed, err := time.ParseDuration(s)
	switch number := strings.TrimPrefix(s, "-"); {
	case s != "0" && number != "" && strings.Trim(number, "0123456789.") == "":
		return fmt.Errorf("%q has no unit; write %ss or %sm", s, number, number)
	case err != nil && isLong(s), duration(parsed) > mostTime:
		return fmt.Errorf("%q is longer than ten years; write at most %v, or 0 where that is for no limit", s, mostTime)
	case err != nil:
		return fmt.Errorf("%q is no duration; write it like 500ms, 5s, 1m30s or 1h", s)
	case parsed < 0:
		return fmt.Errorf("%q is negative; write %v, or 0 where that is for none", s, duration(-parsed))
	}
	*d = duration(parsed)
	return nil
}

// isLong reports whether s is written as a duration and is only too large: with one digit for each number it is valid.
func isLong(s string) bool {
	_, err := time.ParseDuration(regexp.MustCompile(`[0-9]+`).ReplaceAllString(s, "1"))
	return err == nil
}

// String returns 1h and not 1h0m0s.
func (d duration) String() string {
	s := time.Duration(d).String()
	if d == 0 {
		return "0"
	}
	if short, ok := strings.CutSuffix(s, "m0s"); ok {
		s = short + "m"
	}
	if short, ok := strings.CutSuffix(s, "h0m"); ok {
		s = short + "h"
	}
	return s
}

// A count is a number that is never negative.
type count int

func (c *count) UnmarshalText(text []byte) error {
	n, err := wholeNumber(text, 0, "no number")
	if err == nil {
		*c = count(n)
	}
	return err
}

func (c count) String() string { return strconv.Itoa(int(c)) }

// An autoCount is a number from 1 up, or 0 for auto: the program chooses.
type autoCount int

func (c *autoCount) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*c = 0
		return nil
	}
	n, err := wholeNumber(text, 1, "neither auto nor a number")
	if err == nil {
		*c = autoCount(n)
	}
	return err
}

// wholeNumber reads a number from least up. what is the text for errors, such as "no number".
func wholeNumber(text []byte, least int64, what string) (int, error) {
	n, err := strconv.ParseInt(string(text), 10, 32)
	switch {
	case err != nil && n == math.MaxInt32:
		return 0, fmt.Errorf("%q is above %d", text, math.MaxInt32)
	case err != nil || n < least:
		return 0, fmt.Errorf("%q is %s from %d up", text, what, least)
	}
	return int(n), nil
}

func (c autoCount) String() string {
	if c == 0 {
		return "auto"
	}
	return strconv.Itoa(int(c))
}

// A share is a part of a whole, from 0 to 1, written in percent.
type share float64

func (s *share) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(string(text), "%")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !percent && n != 0 || !(n >= 0 && n <= 100) {
		return fmt.Errorf("%q is no share; write it from 0%% to 100%%", text)
	}
	*s = share(n / 100)
	return nil
}

func (s share) String() string { return strconv.FormatFloat(float64(s)*100, 'g', 6, 64) + "%" }

// A factor is a number from 1 up, or 0 for none.
type factor float64

func (f *factor) UnmarshalText(text []byte) error {
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(n >= 1 && n <= 1000 || n == 0) {
		return fmt.Errorf("%q is no factor; write a number from 1 to 1000, or 0 for no bound", text)
	}
	*f = factor(n)
	return nil
}

func (f factor) String() string { return strconv.FormatFloat(float64(f), 'g', -1, 64) }

// A localIP is an address that this machine may connect from.
type localIP struct{ netip.Addr }

func (l *localIP) UnmarshalText(text []byte) error {
	ip, err := netip.ParseAddr(string(text))
	ip = ip.Unmap()
	switch {
	case err != nil || ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%q is no IP address of this machine; write one like 192.0.2.7 or 2001:db8::7", text)
	case ip.Is6() && ip.IsLinkLocalUnicast() && ip.Zone() == "":
		return fmt.Errorf("%q: a link-local address needs its interface; write %s%%eth0", text, ip)
	}
	l.Addr = ip
	return nil
}

// A trusted says from whom a PROXY header is accepted: a range of IP addresses, where one address is a range of one, or
// everybody who can connect to a UNIX socket.
type trusted struct {
	l4.Range
	unix bool
}

const unixSockets = "unix"

func (p *trusted) UnmarshalText(text []byte) error {
	if string(text) == unixSockets {
		*p = trusted{unix: true}
		return nil
	}
	parsed, err := parseRange(string(text), rangeExamples+", or "+unixSockets)
	if err != nil {
		return err
	}
	*p = trusted{Range: parsed}
	return nil
}

func (p trusted) String() string {
	if p.unix {
		return unixSockets
	}
	return p.Range.String()
}

// A text is any text.
type text string

func (t *text) UnmarshalText(from []byte) error {
	if len(from) == 0 {
		return errors.New("nothing is written; write a value, or leave it out")
	}
	*t = text(from)
	return nil
}

func (t text) String() string { return string(t) }

// A toggle is on or off.
type toggle bool

func (t *toggle) UnmarshalText(text []byte) error {
	on, err := strconv.ParseBool(string(text))
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", text)
	}
	*t = toggle(on)
	return nil
}

func (t toggle) String() string { return strconv.FormatBool(bool(t)) }

// A kernelOption is a feature of the kernel that is used where it exists, unless the operator writes off.
type kernelOption string

func (o *kernelOption) UnmarshalText(text []byte) error {
	switch string(text) {
	case "auto":
		*o = ""
	case "off":
		*o = "off"
	default:
		return fmt.Errorf("%q is neither auto nor off", text)
	}
	return nil
}

func (o kernelOption) String() string { return cmp.Or(string(o), "auto") }

// A logFormat is an accesslog.Format, or the one that suits the output.
type logFormat struct {
	format accesslog.Format
	chosen toggle // false: text on a terminal, else JSON
}

func (l *logFormat) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*l = logFormat{}
		return nil
	}
	if err := l.format.UnmarshalText(text); err != nil {
		return fmt.Errorf("%q is no log format; there are auto, text, json and off", text)
	}
	l.chosen = true
	return nil
}

func (l logFormat) String() string {
	if !l.chosen {
		return "auto"
	}
	return l.format.String()
}

// A proxyVersion is an l4.ProxyVersion with a name.
type proxyVersion l4.ProxyVersion

func proxyNames() map[string]l4.ProxyVersion {
	return map[string]l4.ProxyVersion{"off": l4.ProxyOff, "v1": l4.ProxyV1, "v2": l4.ProxyV2}
}

func (p *proxyVersion) UnmarshalText(text []byte) error {
	v, ok := proxyNames()[string(text)]
	if !ok {
		return fmt.Errorf("%q is no version of the PROXY protocol; there are v1, v2 and off", text)
	}
	*p = proxyVersion(v)
	return nil
}

func (p proxyVersion) String() string {
	for name, v := range proxyNames() {
		if v == l4.ProxyVersion(p) {
			return name
		}
	}
	return "unknown"
}
