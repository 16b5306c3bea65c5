package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// A cells is what was measured for one row of a table: the samples of each program in the order of rounds. NaN stands
// for a round that failed.
type cells map[string][]float64

// tableOf returns the table of t with a row for each of metrics as lines of Markdown, padded so that they read well as
// they are, or nil if nothing was measured.
func tableOf(r *report, t threads, metrics []metric) []string {
	rows := [][]string{headings(r)}
	for _, m := range metrics {
		if c := r.cells(t, m.id); len(c) > 0 {
			rows = append(rows, rowOf(m, c, r.names(), t))
		}
	}
	if len(rows) == 1 {
		return nil
	}
	return layOut(rows)
}

func headings(r *report) []string {
	return slices.Concat([]string{""}, r.names(), []string{"Forebay to the better peer", "at least", "aim", ""})
}

func rowOf(m metric, c cells, names []string, t threads) []string {
	row := []string{m.heading()}
	for _, name := range names {
		row = append(row, m.unit.show(summarize(valid(c[name]))))
	}
	ratio := ratioOf(m, c)
	goal := m.equal
	if t == 0 {
		goal = m.defaults
	}
	return append(row, showRatio(ratio), goal.show(goal.least), goal.show(goal.aim), goal.verdict(m, c, ratio))
}

func (m metric) heading() string {
	if m.unit.name == "" {
		return m.title
	}
	return m.title + ", " + m.unit.name
}

// show returns the median of s and, of several rounds, the range.
func (u unit) show(s summary) string {
	switch s.Rounds {
	case 0:
		return "–"
	case 1:
		return digits(s.Median * u.scale)
	}
	return fmt.Sprintf("%s (%s–%s)", digits(s.Median*u.scale), digits(s.Min*u.scale), digits(s.Max*u.scale))
}

// digits returns v with three significant digits, or all of those before the point, in groups of three.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a < 0.001:
		return fmt.Sprintf("%.4f", v)
	case a < 1:
		return fmt.Sprintf("%.3f", v)
	case a < 9.995:
		return fmt.Sprintf("%.2f", v)
	case a < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	return grouped(fmt.Sprintf("%.0f", v))
}

// grouped puts a comma before each three digits of s from the right.
func grouped(s string) string {
	if len(s) <= 3 || len(s) == 4 && s[0] == '-' {
		return s
	}
	return grouped(s[:len(s)-3]) + "," + s[len(s)-3:]
}

// valid returns the values that are numbers.
func valid(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), math.IsNaN)
}

// ratioOf compares Forebay with the rival whose median is the better one, round by round, because two measurements of
// one round have had the same machine.
func ratioOf(m metric, c cells) summary {
	rival := bestOf(m, c)
	ours, theirs := c[forebayName], c[rival]
	var ratios []float64
	for i := range min(len(ours), len(theirs)) {
		if ratio := ours[i] / theirs[i]; !math.IsNaN(ratio) && !math.IsInf(ratio, 0) {
			ratios = append(ratios, ratio)
		}
	}
	return summarize(ratios)
}

// bestOf returns the name of the rival with the best median, or "".
func bestOf(m metric, c cells) string {
	best, name := 0.0, ""
	for _, rival := range m.rivals {
		s := summarize(valid(c[rival]))
		if s.Rounds == 0 {
			continue
		}
		if name == "" || m.more && s.Median > best || !m.more && s.Median < best {
			best, name = s.Median, rival
		}
	}
	return name
}

func showRatio(s summary) string {
	switch s.Rounds {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf("%.2f", s.Median)
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Min, s.Max)
}

// show returns a target's number with its sign.
func (t target) show(v float64) string {
	switch {
	case t.bound == noTarget:
		return ""
	case t.bound == onValue && v == 0:
		return "0"
	}
	return fmt.Sprintf("≤ %.*f", t.decimals, v)
}

// zeroShare is the idle CPU that counts as none: a wake-up or two while it was measured.
const zeroShare = 0.01

// verdict says whether Forebay has reached t.
func (t target) verdict(m metric, c cells, ratio summary) string {
	got, ok := t.judged(m, c, ratio)
	least, aim := t.least, t.aim
	if t.bound == onValue && aim == 0 {
		least, aim = least+zeroShare, aim+zeroShare
	}
	switch {
	case !ok:
		return ""
	case got <= aim:
		return "aim met"
	case got <= least:
		return "met"
	}
	return "not met"
}

// judged returns the number that t is about, to the precision that is shown.
func (t target) judged(m metric, c cells, ratio summary) (float64, bool) {
	value := summarize(valid(c[forebayName]))
	switch {
	case t.bound == onRatio && ratio.Rounds > 0:
		return math.Round(ratio.Median*100) / 100, true
	case t.bound == onValue && value.Rounds > 0:
		return math.Round(value.Median*m.unit.scale*100) / 100, true
	}
	return 0, false
}

// layOut returns rows, of which the first is the headings, as a Markdown table with columns of even width.
func layOut(rows [][]string) []string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
		}
	}
	rule := make([]string, len(widths))
	for i, w := range widths {
		rule[i] = strings.Repeat("-", w)
	}
	lines := []string{line(rows[0], widths), line(rule, widths)}
	for _, row := range rows[1:] {
		lines = append(lines, line(row, widths))
	}
	return lines
}

func line(cells []string, widths []int) string {
	var b strings.Builder
	for i, cell := range cells {
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		fmt.Fprintf(&b, "| %s%s ", cell, pad)
	}
	return b.String() + "|"
}
