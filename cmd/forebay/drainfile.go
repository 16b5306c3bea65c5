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

// A drainFile says which backends are out of use, one on each line. It is read again when it changes. While the process
// serves, only the goroutine that watches the files uses it. So it needs no mutex, which would be held for as long as
// the orders take.
type drainFile struct {
	path    string
	members []drainMember // all backends there are, in order
	known   bool          // members are all backends; false where some could not be read

	orders drainOrders       // of the last good file
	seen   glance            // of the last look at the file
	stale  bool              // what was seen has not been read yet
	follow func(drainOrders) // carries out the orders; nil while nothing is served
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

// A glance is the state of a file without its content.
type glance struct {
	stamp file.Stamp // zero: there is no file
	fault string     // why the state is not known; "": it is known
}

// look looks at the file. A missing file is no fault: then nothing is drained. A missing directory is a fault: the file
// may have been in it, or nobody could make it.
func (f *drainFile) look() glance {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(f.path))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return glance{fault: fmt.Sprintf("%s can't be made, for there is no directory %s: make it, or name another",
			f.path, filepath.Dir(f.path))}
	case err != nil:
		return glance{fault: err.Error()}
	case info != nil && !info.Mode().IsRegular():
		return glance{fault: f.path + " is no file: name one, which may be made later"}
	case info != nil:
		return glance{stamp: file.StampOf(f.path), fault: f.closed()}
	}
	return glance{}
}

// closed says why the file can't be read, "" if it can. That may change without a change to the file's content.
func (f *drainFile) closed() string {
	const readable = 4 // R_OK of access(2)
	if err := syscall.Access(f.path, readable); err != nil {
		return fmt.Sprintf("read %s: %v", f.path, err)
	}
	return ""
}

// read reads the orders from the file. On an error it keeps the orders that it had.
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

// parse reads one order from each line. It skips empty lines, and text after a # at the beginning of a line or after a
// space.
func (f *drainFile) parse(text []byte, quotable bool) (drainOrders, error) {
	orders, lines := drainOrders{}, map[*pool.Backend]int{}
	faults := lineFaults{path: f.path, quotable: quotable,
		right: "a backend that there is, with idle=TIME, spread=TIME and deadline=TIME behind it where you like"}
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

// uncommented returns a line without its comment. A # within a word begins no comment: the path of a UNIX socket may
// contain one.
func uncommented(line []byte) []byte {
	for i, c := range line {
		if c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			line = line[:i]
			break
		}
	}
	return bytes.TrimSpace(line)
}

// enter adds the order of a line to orders, and the line's number to lines.
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

// names returns the names of the backends, each once.
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

// darkened returns one member of each pool whose backends are all drained by orders.
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

// Check reads the file if it has changed, but only when it looks the same at two looks in a row. It may be half
// written: half a file may be valid, and drain other backends or none.
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

// renew reads the file and carries it out. A file that is gone is not reported: the backends that come back are logged.
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

// watched returns the file to watch while the process serves.
func (f *drainFile) watched() []profile.File {
	if f == nil {
		return nil
	}
	return []profile.File{f}
}

// withhold drains the backends of the orders before the first session.
func (f *drainFile) withhold() {
	if f == nil {
		return
	}
	for b := range f.orders {
		b.Drain()
	}
}

// obeyedBy has follow called with the orders, now and after each change. It must be called before the file is watched.
func (f *drainFile) obeyedBy(follow func(drainOrders)) {
	f.follow = follow
	follow(f.orders)
}

// describeDrains says which backends are drained, and how.
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

// ofRoute names the route of m, if there are several routes.
func (p *plan) ofRoute(m drainMember) string {
	if len(p.routes) == 1 {
		return ""
	}
	return " of route " + m.route
}
