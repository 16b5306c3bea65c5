package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A report is what a run has found, and what it was found with.
type report struct {
	Date     string
	Kernel   string
	CPUs     int
	Files    int     // descriptor limit of every program
	Others   float64 // share of the machine that other programs took
	Versions map[string]string
	Samples  []sample
	Failures []string
	plan     plan
	programs []*program
	rates    map[threads]rates
}

func newReport(p plan, programs []*program, files int) *report {
	r := &report{
		Date:     time.Now().UTC().Format(time.DateOnly),
		Kernel:   kernel(),
		CPUs:     runtime.NumCPU(),
		Files:    files,
		Versions: make(map[string]string),
		plan:     p,
		programs: programs,
		rates:    make(map[threads]rates),
	}
	for _, program := range programs {
		r.Versions[program.name] = program.version
	}
	return r
}

// kernel returns the kernel's name and version number, without what a distribution or a host adds to it.
func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	version, _, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), "-")
	return fmt.Sprintf("%s %s %s", unix.ByteSliceToString(u.Sysname[:]), version, unix.ByteSliceToString(u.Machine[:]))
}

// add keeps what one measurement found.
func (r *report) add(t threads, p *program, round int, v values) {
	for _, m := range allMetrics() {
		if value, ok := v[m.id]; ok {
			r.Samples = append(r.Samples, sample{t, p.name, m.id, round, value})
		}
	}
}

// fail keeps that a measurement found nothing.
func (r *report) fail(t threads, s step, p *program, round int, err error) {
	r.Failures = append(r.Failures,
		fmt.Sprintf("%s, threads %s, %s, round %d: %v", p.name, t, s.name, round+1, err))
}

// cells returns the samples of one metric by program and round.
func (r *report) cells(t threads, id metricID) cells {
	c := make(cells)
	for _, s := range r.Samples {
		if s.Threads != t || s.Metric != id {
			continue
		}
		for len(c[s.Program]) < s.Round {
			c[s.Program] = append(c[s.Program], math.NaN())
		}
		c[s.Program] = append(c[s.Program], s.Value)
	}
	return c
}

// names returns the programs' names in the order of the tables' columns.
func (r *report) names() []string {
	var names []string
	for _, p := range r.programs {
		names = append(names, p.name)
	}
	return names
}

// writeTables writes the tables, and what failed, as Markdown.
func (r *report) writeTables(w io.Writer) {
	for _, t := range r.plan.Threads {
		note := ""
		if rates, ok := r.rates[t]; ok {
			note = fmt.Sprintf("Half load was %s exchanges, %s connections or %s MiB of bulk a second.",
				digits(rates.exchange), digits(rates.conn), digits(rates.bulk/(1<<20)))
		}
		writeTable(w, tableTitle(t), tableOf(r, t, plainMetrics()), note)
	}
	for _, t := range r.plan.Threads {
		writeTable(w, "TLS: "+lowerFirst(tableTitle(t)), tableOf(r, t, tlsMetrics()), tlsNote())
	}
	if len(r.Failures) > 0 {
		fmt.Fprintf(w, "What failed:\n\n- %s\n\n", strings.Join(r.Failures, "\n- "))
	}
}

// writeTable writes a table with its heading and a note below it, "" for none. An empty table is left out: the run was
// stopped before it, or was not to fill it.
func writeTable(w io.Writer, title string, table []string, note string) {
	if len(table) == 0 {
		return
	}
	fmt.Fprintf(w, "## %s\n\n%s\n\n", title, strings.Join(table, "\n"))
	if note != "" {
		fmt.Fprintf(w, "%s\n\n", note)
	}
}

// tlsNote says what was spoken in the tables of TLS.
func tlsNote() string {
	return fmt.Sprintf("%s, key exchange %v, %s, an ECDSA P-256 certificate: the load makes sure of it on each connection.",
		tls.VersionName(tlsVersion), tlsGroup, suiteName())
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

func tableTitle(t threads) string {
	switch t {
	case 0:
		return "Each program's default"
	case 1:
		return "One thread each"
	}
	return fmt.Sprintf("%d threads each", int(t))
}

// writeJSON writes all samples to the file at path.
func (r *report) writeJSON(path string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// writePage writes the page for people to the file at path.
func (r *report) writePage(path string) error {
	var b strings.Builder
	b.WriteString(pageHead)
	r.writeTables(&b)
	b.WriteString(pageHow)
	r.writeMachine(&b)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func (r *report) writeMachine(w io.Writer) {
	p := r.plan
	fmt.Fprintf(w, "## This run\n\n")
	fmt.Fprintf(w, "%s, %d CPUs, %s, at most %s descriptors a process. ", r.Kernel, r.CPUs, r.Date, digits(float64(r.Files)))
	fmt.Fprintf(w, "Other programs took %.0f %% of the machine meanwhile. ", r.Others*100)
	fmt.Fprintf(w, "Rounds: %d, %d of exchanges and of those beside bulk, %d of connections and of exchanges at half load, %d for sessions held. "+
		"Each: %s exchanges, %s connections, %d blocks of 32 MiB, %v at half load; ",
		p.Rounds, p.Briefs, p.Closes, min(p.Rounds, p.Idles), digits(float64(p.Exchanges)), digits(float64(p.Connections)), p.Blocks, p.Paced)
	fmt.Fprintf(w, "over TLS %s handshakes of a kind, %s exchanges, %d blocks.\n\n",
		digits(float64(p.TLS.Handshakes)), digits(float64(p.TLS.Exchanges)), p.TLS.Blocks)
	var versions []string
	for _, program := range r.programs {
		versions = append(versions, program.name+" "+program.version)
	}
	fmt.Fprintf(w, "%s.\n", strings.Join(versions, " · "))
}
