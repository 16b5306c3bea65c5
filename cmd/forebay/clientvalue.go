package main

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"forebay/l4"
)

// rangeExamples are the examples in errors.
const rangeExamples = "10.0.0.0/8, 2001:db8::/32 or 192.0.2.7"

// An addressRange is a range of IP addresses; one address alone is a range of one.
type addressRange struct{ l4.Range }

func (r *addressRange) UnmarshalText(text []byte) (err error) {
	r.Range, err = parseRange(string(text), rangeExamples)
	return err
}

// parseRange reads a range. With a zone it is written fe80::1%eth0 or fe80::%eth0/64. An error shows examples.
func parseRange(text, examples string) (r l4.Range, err error) {
	plain, zone := text, ""
	if address, rest, found := strings.Cut(text, "%"); found {
		var bits string
		if zone, bits, found = strings.Cut(rest, "/"); found {
			bits = "/" + bits
		}
		plain = address + bits
	}
	r.Zone = zone
	if ip, err := netip.ParseAddr(plain); err == nil {
		r.Prefix = netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen())
	} else if r.Prefix, err = netip.ParsePrefix(plain); err != nil || r.Addr().Is4In6() {
		return l4.Range{}, fmt.Errorf("%q is no range of addresses; write one like %s", text, examples)
	}
	masked := l4.Range{Prefix: r.Masked(), Zone: zone}
	switch {
	case plain != text && (!r.Addr().IsLinkLocalUnicast() || r.Addr().Is4()):
		return l4.Range{}, fmt.Errorf("%q has a zone, which only link-local addresses have (fe80::/10); write %s", text,
			plain)
	case plain != text && strings.Trim(zone, "0123456789") == "":
		return l4.Range{}, fmt.Errorf("%q does not name its interface; write %s%%eth0, or whatever ip link calls it",
			text, r.Addr())
	case r != masked:
		return l4.Range{}, fmt.Errorf(
			"%q names an address within a range; write %s for the range, or the address alone", text, masked)
	}
	return r, nil
}

// A rate is an l4.Rate of sessions; 0 for none.
type rate l4.Rate

// mostPer is the longest time of a rate.
const mostPer = 24 * time.Hour

func (r *rate) UnmarshalText(text []byte) error {
	number, per, found := strings.Cut(string(text), "/")
	n, err := strconv.ParseUint(number, 10, 31)
	if err == nil && n == 0 && !found {
		*r = rate{}
		return nil
	}
	if err == nil && found && strings.Trim(per, "smh") == "" {
		per = "1" + per
	}
	d, wrong := time.ParseDuration(per)
	switch {
	case err == nil && !found:
		return fmt.Errorf("%q does not say in what time; write %s/s or %s/m", text, number, number)
	case err != nil || wrong != nil || n == 0 || d <= 0 || d > mostPer:
		return fmt.Errorf("%q is no rate; write it like 20/s, 300/m or 5/10s, the time being 24h at most", text)
	}
	*r = rate{N: int64(n), Per: d}
	return nil
}

// String writes 20/s and not 20/1s.
func (r rate) String() string {
	if r.N == 0 {
		return "0"
	}
	per := duration(r.Per).String()
	if len(per) == 2 {
		per = strings.TrimPrefix(per, "1")
	}
	return strconv.FormatInt(r.N, 10) + "/" + per
}

// A bandwidth is bytes in a second; 0 for none.
type bandwidth size

func (b *bandwidth) UnmarshalText(text []byte) error {
	amount, found := strings.CutSuffix(string(text), "/s")
	var bytes size
	err := bytes.UnmarshalText([]byte(amount))
	switch {
	case err == nil && bytes > 0 && !found:
		return fmt.Errorf("%q is a size; write %s/s for bytes in a second", text, bytes)
	case err != nil:
		return fmt.Errorf("%q is no bandwidth; write it like 64KiB/s or 10MiB/s, 1024MiB/s at most", text)
	}
	*b = bandwidth(bytes)
	return nil
}

func (b bandwidth) String() string {
	if b == 0 {
		return "0"
	}
	return size(b).String() + "/s"
}

// over returns b as a Rate with d as its time.
func (b bandwidth) over(d time.Duration) l4.Rate {
	if b == 0 {
		return l4.Rate{}
	}
	return l4.Rate{N: int64(math.Ceil(float64(b) * d.Seconds())), Per: d}
}

// An onLimit is an l4.Refusal with a name.
type onLimit l4.Refusal

func refusalNames() []string {
	return []string{l4.Reset: "reset", l4.Close: "close", l4.Delay: "delay"}
}

func (o *onLimit) UnmarshalText(text []byte) error {
	for i, name := range refusalNames() {
		if name == string(text) {
			*o = onLimit(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no way to turn a client away; there are reset, close and delay", text)
}

func (o onLimit) String() string { return refusalNames()[o] }
