package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"forebay/pool"
	"forebay/tls/file"
	"forebay/tls/profile"
)

// A drainFile says which backends are out of use, a line each. It is read again when it changes. Once something is
// served it belongs to the goroutine that looks at the files: what the orders lead to may take its time, and nobody
// waits for that at a mutex.
type drainFile struct {
	path    string
	members []drainMember // all backends there are, in order
	known   bool          // that these are all; false where some have a fault of their own

	orders drainOrders       // of the last good file
	seen   glance            // of the file that was looked at last
	stale  bool              // that one has not been read yet
	follow func(drainOrders) // does what the orders say; nil while nothing is served
}

// A drainMember is a backend and the route that leads to it.
type drainMember struct {
	*pool.Backend
	pool  *pool.Pool
	route string
}

// drainOrders say which backends are drained, and how.
type drainOrders map[*pool.Backend]drainTimes

// planDrains reads the drain file, where there is one.
func (c *commandLine) planDrains(p *plan) {
	if c.config.DrainFile == "" {
		return
	}
	f := &drainFile{path: string(c.config.DrainFile), known: !c.named("backend").rejected && !c.named("route").rejected}
	for _, r := range p.routes {
		switch {
		case r.pool != nil:
			for _, b := range r.pool.Backends() {
				f.members = append(f.members, drainMember{b, r.pool, r.keys()})
			}
		case !r.refuses():
			f.known = false
		}
	}
	p.drains = f
	f.seen = f.look()
	c.blame("drain-file", f.read())
	for _, m := range f.darkened(f.orders) {
		p.note("%s leaves no backend%s: clients are turned away", f.path, p.ofRoute(m))
	}
}

// A glance is how a file looks from outside.
type glance struct {
	stamp file.Stamp // zero: there is none
	fault string     // why that can't be told
}

// look looks at the file. That it is not there is no fault: then nothing is drained. That its directory is not there is
// one, for nobody could make the file, or what it said is out of sight.
func (f *drainFile) look() glance {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(f.path))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return glance{fault: fmt.Sprintf("%s can't be made, for there is no directory %s: make it, or name another", f.path, filepath.Dir(f.path))}
	case err != nil:
		return glance{fault: err.Error()}
	case info != nil && !info.Mode().IsRegular():
		return glance{fault: f.path + " is no file: name one, which may be made later"}
	case info != nil:
		return glance{stamp: file.StampOf(f.path), fault: f.closed()}
	}
	return glance{}
}

// closed says why the file can't be read, if so: that may change while the file does not.
func (f *drainFile) closed() string {
	const readable = 4 // R_OK of access(2)
	if err := syscall.Access(f.path, readable); err != nil {
		return fmt.Sprintf("read %s: %v", f.path, err)
	}
	return ""
}

// read takes the orders out of the file that was looked at. It keeps those it had where the file does not hold.
func (f *drainFile) read() error {
	f.stale = false
	switch {
	case f.seen.fault != "":
		return errors.New(f.seen.fault)
	case f.seen.stamp.IsZero():
		f.orders = nil
		return nil
	}
	looked := file.Watched{Path: f.path}
	text, err := looked.Read()
	if err != nil {
		return err
	}
	orders, err := f.parse(text, looked.Quotable)
	if err == nil {
		f.orders = orders
	}
	return err
}

// parse reads one order a line. Empty lines are passed over, and so is what stands behind a # at the beginning or after
// a space.
func (f *drainFile) parse(text []byte, quotable bool) (drainOrders, error) {
	orders, lines := drainOrders{}, map[*pool.Backend]int{}
	faults := lineFaults{path: f.path, quotable: quotable, right: "a backend that there is, with idle=TIME, spread=TIME and deadline=TIME behind it where you like"}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if line = uncommented(line); len(line) == 0 {
			continue
		}
		var o drainOrder
		err := tooLong(line)
		if err == nil {
			err = o.UnmarshalText(line)
		}
		if err == nil {
			err = f.enter(o, n, orders, lines)
		}
		faults.add(n, err)
	}
	return orders, faults.err()
}

// uncommented returns a line without its comment. A # within a word is none: the path of a UNIX socket may have one.
func uncommented(line []byte) []byte {
	for i, c := range line {
		if c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			line = line[:i]
			break
		}
	}
	return bytes.TrimSpace(line)
}

// enter adds the order of a line to orders. lines tells which line each came from.
func (f *drainFile) enter(o drainOrder, line int, orders drainOrders, lines map[*pool.Backend]int) error {
	for _, place := range o.places() {
		found := false
		for _, m := range f.members {
			if !place.holds(m.Backend) {
				continue
			}
			if other := lines[m.Backend]; other != 0 && other != line {
				return fmt.Errorf("%s is drained by line %d already: leave one out", m.Name(), other)
			}
			found, lines[m.Backend], orders[m.Backend] = true, line, o.how
		}
		if !found && f.known {
			return fmt.Errorf("no backend is %s: there are %s", place.name, shorten(f.names()))
		}
	}
	return nil
}

// names returns what the backends are called, each once.
func (f *drainFile) names() (all []string) {
	seen := map[string]bool{}
	for _, m := range f.members {
		if !seen[m.Name()] {
			all = append(all, m.Name())
		}
		seen[m.Name()] = true
	}
	return all
}

// darkened returns a member of each pool that orders leave no backend of.
func (f *drainFile) darkened(orders drainOrders) (all []drainMember) {
	left := map[*pool.Pool]int{}
	for _, m := range f.members {
		if _, drained := orders[m.Backend]; !drained {
			left[m.pool]++
		}
	}
	seen := map[*pool.Pool]bool{}
	for _, m := range f.members {
		if left[m.pool] == 0 && !seen[m.pool] {
			all = append(all, m)
		}
		seen[m.pool] = true
	}
	return all
}

// Check reads the file again if it has changed, and not since the look before. For it may be seen half written, and
// half a file may be a good one that takes other backends out of use, or all back into it.
func (f *drainFile) Check() (profile.Event, bool) {
	now := f.look()
	if now != f.seen {
		f.seen, f.stale = now, true
		return profile.Event{}, false
	}
	if !f.stale {
		return profile.Event{}, false
	}
	return f.renew()
}

// renew reads the file and does what it says. A file that is gone is not told: what it drained is told by itself.
func (f *drainFile) renew() (e profile.Event, tell bool) {
	err := f.read()
	if err == nil && f.follow != nil {
		f.follow(f.orders)
	}
	return profile.Event{File: f.path, Err: err}, err != nil || !f.seen.stamp.IsZero()
}

// reload reads the file now, changed or not, and reports it.
func (f *drainFile) reload(report func(profile.Event)) {
	if f == nil {
		return
	}
	f.seen = f.look()
	if e, tell := f.renew(); tell {
		report(e)
	}
}

// watched returns what is looked at while a process serves.
func (f *drainFile) watched() []profile.File {
	if f == nil {
		return nil
	}
	return []profile.File{f}
}

// withhold takes the backends out of use that are to be, before a session could reach them.
func (f *drainFile) withhold() {
	if f == nil {
		return
	}
	for b := range f.orders {
		b.Drain()
	}
}

// obeyedBy has follow do what the file says, now and from now on. It is called before the file is looked at.
func (f *drainFile) obeyedBy(follow func(drainOrders)) {
	f.follow = follow
	follow(f.orders)
}

// describeDrains says which backends are out of use, and how they come to be.
func (p *plan) describeDrains(b *strings.Builder) {
	if p.drains == nil {
		return
	}
	for _, m := range p.drains.members {
		if how, drained := p.drains.orders[m.Backend]; drained {
			fmt.Fprintf(b, "backend %s%s is drained: %s\n", m.Name(), p.ofRoute(m), how.describe())
		}
	}
}

// ofRoute names the route of m where there are several.
func (p *plan) ofRoute(m drainMember) string {
	if len(p.routes) == 1 {
		return ""
	}
	return " of route " + m.route
}
