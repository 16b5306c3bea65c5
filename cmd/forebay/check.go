package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"forebay/l4"
	"forebay/l4/handoff"
)

// resolveTime is how long the names in a command line may take to be looked up, all together.
const resolveTime = 10 * time.Second

// check reports every fault of a command line. If there is none, it shows the settings.
func check(e *env, c *commandLine, _ []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTime)
	defer cancel()
	p := c.draft(ctx, e)
	c.sortProbed(p, p.probe(e))
	if err := c.faults.err(); err != nil {
		return err
	}
	p.noteCertificates(time.Now())
	for _, path := range p.exposed() {
		p.note("%s has a key in it and can be read by every user of this machine; chmod o-r takes that away", path)
	}
	p.noteUnregistered()
	c.show(e, p)
	if len(p.notes) > 0 {
		fmt.Fprintf(e.stdout, "\n%s\n", strings.Join(p.notes, "\n"))
	}
	return nil
}

// sortProbed adds a fault for each listener that can't be opened. Where a running forebay has the address, it adds a
// note only: that one will be restarted with this command line.
func (c *commandLine) sortProbed(p *plan, refused []error) {
	for _, err := range refused {
		if taken, ok := errors.AsType[*handoff.InUseError](err); ok && isForebay(taken.PID, taken.Program) {
			p.note("listen %s is in use by %s (pid %d): a restart must stop that first", taken.Spec, taken.Program,
				taken.PID)
			continue
		}
		c.faults.add("", err)
	}
}

// isForebay reports whether pid is another process of this program. called is that process's name: it must be the usual
// name, or the name of this process.
func isForebay(pid int, called string) bool {
	own, _ := os.ReadFile("/proc/self/comm")
	return pid != 0 && pid != os.Getpid() && (called == programName || called == strings.TrimSpace(string(own)))
}

// show prints the effective settings, the origin of each, and a command line that means the same.
func (c *commandLine) show(e *env, p *plan) {
	table := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tVALUE\tFROM")
	for _, s := range c.settings {
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.name, p.effective(e, s), s.origin)
	}
	table.Flush()
	fmt.Fprintf(e.stdout, "\n%s\n", p.describe())
	fmt.Fprintf(e.stdout, "\n%s\n", c.paste())
}

// reason says what the number of sessions follows from.
func (p *plan) reason() string {
	if p.MaxConns > 0 {
		return fmt.Sprintf("as --max-conns says; the limit of %d file descriptors would allow %d", p.limit,
			l4.MaxConnsFor(p.limit, l4.LoopsFor(int(p.Loops))))
	}
	if p.scarce {
		return fmt.Sprintf("from a memory of %s (%s)", limitText(p.memory), p.memory.From)
	}
	return fmt.Sprintf("from the limit of %d file descriptors", p.limit)
}

// paste returns a command line with all settings that were given.
func (c *commandLine) paste() string {
	quoted := []string{programName}
	for _, word := range c.words() {
		quoted = append(quoted, quote(word))
	}
	return strings.Join(quoted, " ")
}

// words returns the arguments of a command line that means the same as c.
func (c *commandLine) words() []string {
	words := []string{serveName}
	for _, s := range c.settings {
		if !s.given() || s.name == "backend" {
			continue
		}
		for _, text := range s.value.texts() {
			words = append(words, "--"+s.name+"="+text)
		}
	}
	return append(words, c.named("backend").value.texts()...)
}

// quote returns text as one word for a shell.
func quote(text string) string {
	special := func(r rune) bool {
		word := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !word && !strings.ContainsRune("-_./:,@%+=", r)
	}
	if text != "" && !strings.ContainsFunc(text, special) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
