package main

import (
	"bytes"
	"fmt"
	"net"

	"forebay/l4"
	"forebay/tls/file"
	"forebay/tls/profile"
)

// An accessList says who may connect, by flags and files. While the process serves, only the goroutine that watches the
// files uses it.
type accessList struct {
	l4.Access

	allow, deny []l4.Range // of the flags
	files       []*rangeFile
}

// A rangeFile is a file with a range of addresses on each line. It is read again when it changes.
type rangeFile struct {
	list   *accessList
	file   file.Watched
	denies bool

	ranges []l4.Range // of the last good file
	fault  error      // what is wrong with the one that was read last
	told   bool
}

// noteLinks adds a note for each range whose network interface does not exist. That is no fault: the interface of a
// tunnel, for example, may come later.
func (p *plan) noteLinks() {
	note := func(name string, r l4.Range) {
		if r.Zone == "" {
			return
		}
		if _, err := net.InterfaceByName(r.Zone); err != nil {
			p.note("%s: %s is of no client as long as this machine has no network interface %q; ip link lists those it has", name, r, r.Zone)
		}
	}
	for _, t := range p.ProxyIn {
		note("proxy-in", t.Range)
	}
	for _, r := range p.Allow {
		note("allow", r.Range)
	}
	for _, r := range p.Deny {
		note("deny", r.Range)
	}
}

// planAccess reads the files of ranges, where there are any.
func (c *commandLine) planAccess(p *plan) {
	p.noteLinks()
	cfg := c.config
	if !cfg.lists() {
		return
	}
	p.access = &accessList{allow: prefixesOf(cfg.Allow), deny: prefixesOf(cfg.Deny)}
	for _, path := range cfg.AllowFile {
		c.blame("allow-file", p.access.open(string(path), false))
	}
	for _, path := range cfg.DenyFile {
		c.blame("deny-file", p.access.open(string(path), true))
	}
	p.access.apply()
}

func prefixesOf(all []addressRange) (list []l4.Range) {
	for _, r := range all {
		list = append(list, r.Range)
	}
	return list
}

// open reads a file for the first time.
func (a *accessList) open(path string, denies bool) error {
	f := &rangeFile{list: a, file: file.Watched{Path: path}, denies: denies}
	a.files = append(a.files, f)
	return f.read()
}

// apply puts the ranges of flags and files into force.
func (a *accessList) apply() {
	allow, deny := a.allow[:len(a.allow):len(a.allow)], a.deny[:len(a.deny):len(a.deny)]
	for _, f := range a.files {
		if f.denies {
			deny = append(deny, f.ranges...)
		} else {
			allow = append(allow, f.ranges...)
		}
	}
	a.Set(allow, deny)
}

// read reads the ranges from the file. On an error it keeps the ranges that it had.
func (f *rangeFile) read() error {
	text, err := f.file.Read()
	if err != nil {
		return err
	}
	ranges, err := f.parse(text)
	switch {
	case err != nil:
		return err
	case len(ranges) == 0 && !f.denies:
		return fmt.Errorf("%s allows nobody; name a range in it, 0.0.0.0/0 and ::/0 for all", f.file.Path)
	}
	f.ranges = ranges
	return nil
}

// parse reads one range from each line. It skips empty lines, and text after a #.
func (f *rangeFile) parse(text []byte) (all []l4.Range, err error) {
	faults := lineFaults{path: f.file.Path, quotable: f.file.Quotable,
		right: "a range of addresses, such as " + rangeExamples}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line, _, _ = bytes.Cut(line, []byte("#"))
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var r l4.Range
		err := tooLong(line)
		if err == nil {
			r, err = parseRange(string(line), rangeExamples)
		}
		faults.add(n, err)
		all = append(all, r)
	}
	return all, faults.err()
}

// Check reads the file again if it has changed, and as long as it is bad: a file's mode, for example, may be mended
// without a change. A file may be read half written. So a fault is reported only if it is still there at the next look
// at the same file.
func (f *rangeFile) Check() (e profile.Event, tell bool) {
	changed := f.file.Changed()
	if !changed && f.fault == nil {
		return e, false
	}
	if changed {
		f.told = false
	}
	if changed || f.file.Again() {
		f.fault = f.read()
	}
	if f.fault == nil {
		f.list.apply()
		return profile.Event{File: f.file.Path}, true
	}
	tell = !changed && !f.told
	f.told = f.told || tell
	return profile.Event{File: f.file.Path, Err: f.fault}, tell
}

// reload reads every file now, changed or not, and reports each.
func (a *accessList) reload(report func(profile.Event)) {
	if a == nil {
		return
	}
	for _, f := range a.files {
		f.told = true
		f.fault = f.read()
		report(profile.Event{File: f.file.Path, Err: f.fault})
	}
	a.apply()
}

// watched returns the files to watch while the process serves.
func (a *accessList) watched() (all []profile.File) {
	if a == nil {
		return nil
	}
	for _, f := range a.files {
		all = append(all, f)
	}
	return all
}
