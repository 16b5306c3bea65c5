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

// resolveTime bounds how long names in a command line are looked up.
const resolveTime = 10 * time.Second

// check reports every fault of a command line, or shows what it means.
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

// sortProbed adds what is in the way of p's listeners. That a running forebay has an address is but a note: the command
// line is checked before that one is restarted with it.
func (c *commandLine) sortProbed(p *plan, refused []error) {
	for _, err := range refused {
		if taken, ok := errors.AsType[*handoff.InUseError](err); ok && isForebay(taken.PID, taken.Program) {
			p.note("listen %s is in use by %s (pid %d): a restart must stop that first", taken.Spec, taken.Program, taken.PID)
			continue
		}
		c.faults.add("", err)
	}
}

// isForebay reports whether another process runs this program, by the name that it goes by here or by its usual one.
func isForebay(pid int, called string) bool {
	own, _ := os.ReadFile("/proc/self/comm")
	return pid != 0 && pid != os.Getpid() && (called == programName || called == strings.TrimSpace(string(own)))
}

// show prints the effective settings, where each came from, and a command line that says the same.
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

// reason says where the number of sessions comes from.
func (p *plan) reason() string {
	if p.MaxConns > 0 {
		return fmt.Sprintf("as --max-conns says; the limit of %d file descriptors would allow %d", p.limit, l4.MaxConnsFor(p.limit, l4.LoopsFor(int(p.Loops))))
	}
	if p.scarce {
		return fmt.Sprintf("from a memory of %s (%s)", limitText(p.memory), p.memory.From)
	}
	return fmt.Sprintf("from the limit of %d file descriptors", p.limit)
}

// paste returns a command line with everything that is not a default.
func (c *commandLine) paste() string {
	quoted := []string{programName}
	for _, word := range c.words() {
		quoted = append(quoted, quote(word))
	}
	return strings.Join(quoted, " ")
}

// words are the arguments that say what c says.
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

// quote makes text one word for a shell.
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
