package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"forebay/l4"
	"forebay/pool"
)

// A drainOrder is a line of a drain file: which backends are drained, and how.
//
//	BACKEND[,idle=TIME][,spread=TIME][,deadline=TIME]
//
// BACKEND is as on the command line. A single address of a name is written as in the log, such as
// db.example:5432(10.0.0.7). Times that are not given are those of l4.DefaultDrain. But a shorter deadline shortens the
// spread, and a longer spread moves the deadline.
type drainOrder struct {
	place pool.Spec  // without options
	at    netip.Addr // the address of the place that is meant; zero: all
	how   drainTimes
}

// drainTimes are the times of a l4.Drain.
type drainTimes struct{ idle, spread, deadline duration }

// longestDrain is far longer than anybody waits for a server.
const longestDrain = duration(365 * 24 * time.Hour)

func (o *drainOrder) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), ",")
	var read drainOrder
	if err := read.readPlace(parts[0]); err != nil {
		return err
	}
	if err := read.how.read(parts[1:]); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	*o = read
	return nil
}

// readPlace reads the text before the options.
func (o *drainOrder) readPlace(text string) error {
	host, ip, found := strings.Cut(text, "(")
	if strings.HasPrefix(text, "unix:") || !found {
		return o.place.UnmarshalText([]byte(text))
	}
	at, err := netip.ParseAddr(strings.TrimSuffix(ip, ")"))
	if err != nil || !strings.HasSuffix(ip, ")") {
		return fmt.Errorf(
			"%q is no backend: write it as on the command line, or as the log does, such as db.example:5432(10.0.0.7)",
			text)
	}
	o.at = at.Unmap()
	return o.place.UnmarshalText([]byte(host))
}

func (o drainOrder) String() string { return o.called() + o.how.String() }

// called returns the order's name for its backends.
func (o drainOrder) called() string {
	if o.at.IsValid() {
		return fmt.Sprintf("%s(%s)", o.place, o.at)
	}
	return o.place.String()
}

// A drainPlace is one backend, or all backends of one name and port.
type drainPlace struct {
	name    string
	address pool.Address // zero: only the name counts
	several bool         // name may stand for several backends, whose names begin with it
}

// places returns the places of o, one for each port.
func (o *drainOrder) places() (all []drainPlace) {
	if o.place.Path != "" {
		return []drainPlace{{name: o.place.String(), address: pool.UNIXAddress(o.place.Path)}}
	}
	for port := int(o.place.First); port <= int(o.place.Last); port++ {
		all = append(all, o.on(uint16(port)))
	}
	return all
}

func (o *drainOrder) on(port uint16) drainPlace {
	name := o.place.HostPort(port)
	if o.at.IsValid() {
		return drainPlace{name: fmt.Sprintf("%s(%s)", name, o.at)}
	}
	place := drainPlace{name: name, several: true}
	if ip, err := netip.ParseAddr(o.place.Host); err == nil {
		place.address = pool.TCPAddress(netip.AddrPortFrom(ip, port))
	}
	return place
}

// holds reports whether b is one of p's backends, by its name or its address.
func (p drainPlace) holds(b *pool.Backend) bool {
	which, named := strings.CutPrefix(b.Name(), p.name)
	return named && (which == "" || p.several && which[0] == '(') ||
		!p.address.IsZero() && slices.Contains(b.Addrs(), p.address)
}

// drain returns the l4.Drain of b with these times.
func (t drainTimes) drain(b *pool.Backend) l4.Drain {
	return l4.Drain{Backend: b, Idle: time.Duration(t.idle), Spread: time.Duration(t.spread),
		Deadline: time.Duration(t.deadline)}
}

func (t drainTimes) String() string {
	return fmt.Sprintf(",idle=%v,spread=%v,deadline=%v", t.idle, t.spread, t.deadline)
}

// describe says t in words.
func (t drainTimes) describe() string {
	words := []string{"none is idle", "all at once", "never cut"}
	if t.idle > 0 {
		words[0] = "idle after " + t.idle.String()
	}
	if t.spread > 0 {
		words[1] = "spread over " + t.spread.String()
	}
	if t.deadline > 0 {
		words[2] = "cut after " + t.deadline.String()
	}
	return strings.Join(words, ", ")
}

// read reads the options.
func (t *drainTimes) read(options []string) error {
	usual := l4.DefaultDrain(nil)
	*t = drainTimes{duration(usual.Idle), duration(usual.Spread), duration(usual.Deadline)}
	seen := map[string]bool{}
	for _, option := range options {
		if err := t.readOption(option, seen); err != nil {
			return err
		}
	}
	switch never := t.deadline == 0; {
	case never || t.spread <= t.deadline:
	case !seen["spread"]:
		t.spread = t.deadline / 2
	case !seen["deadline"]:
		t.deadline = 2 * t.spread
	default:
		return fmt.Errorf("deadline=%v comes before spread=%v is over: write a later deadline, or a shorter spread",
			t.deadline, t.spread)
	}
	return nil
}

// readOption reads one option. seen holds the keys of the options before it.
func (t *drainTimes) readOption(option string, seen map[string]bool) error {
	key, value, hasValue := strings.Cut(option, "=")
	at := t.named(key)
	switch {
	case at == nil:
		return unknownDrainOption(key, option)
	case seen[key]:
		return fmt.Errorf("option %s is there twice", key)
	case !hasValue:
		return fmt.Errorf("option %s has no value: write %s=TIME", key, key)
	}
	seen[key] = true
	if err := at.UnmarshalText([]byte(value)); err != nil {
		return fmt.Errorf("option %s: %w", key, err)
	}
	if *at > longestDrain {
		return fmt.Errorf("option %s: %s is more than a year: write %v or less", key, value, longestDrain)
	}
	return nil
}

func drainOptions() []string { return []string{"idle", "spread", "deadline"} }

// named returns the time that the option key is for, or nil.
func (t *drainTimes) named(key string) *duration {
	if i := slices.Index(drainOptions(), key); i >= 0 {
		return []*duration{&t.idle, &t.spread, &t.deadline}[i]
	}
	return nil
}

func unknownDrainOption(key, option string) error {
	switch near := pool.Nearest(key, drainOptions()); {
	case option == "":
		return errors.New("a comma with no option after it")
	case near != "":
		return fmt.Errorf("unknown option %q: did you mean %s?", option, near)
	}
	return fmt.Errorf("unknown option %q: there are idle=TIME, spread=TIME, deadline=TIME", option)
}
