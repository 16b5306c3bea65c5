package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A chaosCase is all that is known of a session: what its client saw, what its backends saw, and what the log says.
type chaosCase struct {
	*outing
	round  *chaosRound
	line   *entry
	visits []*chaosVisit // in the order in which they ended
	last   *chaosVisit   // the one at the backend that the log names; nil where it does not know its client
}

// judge fails the test for what should not have been. A session's faults are told together with all that is known of
// it.
func (r *chaosRound) judge() {
	lines, more := r.lines()
	faults := r.faultsOfVisits()
	byAddr := map[string][]*entry{}
	for _, e := range lines {
		byAddr[e.Client] = append(byAddr[e.Client], e)
	}
	visits := map[uint64][]*chaosVisit{}
	for _, b := range r.backends {
		for _, v := range b.visits {
			visits[v.in.id] = append(visits[v.in.id], v)
		}
	}
	gone, causes := 0, map[string]int{}
	slices.SortFunc(r.outings, func(a, b *outing) int { return a.began.Compare(b.began) })
	for _, o := range r.outings {
		c := &chaosCase{outing: o, round: r, visits: visits[o.id]}
		if o.addr == "" {
			gone++
		} else if c.line = since(byAddr[o.addr], o.began); c.line != nil {
			byAddr[o.addr] = slices.DeleteFunc(byAddr[o.addr], func(e *entry) bool { return e == c.line })
			causes[c.line.Cause]++
		}
		for _, fault := range c.faults() {
			faults = append(faults, fmt.Sprintf("%s\n\t%v", fault, c))
		}
	}
	for addr, rest := range byAddr {
		if gone -= len(rest); gone < 0 && len(rest) > 0 {
			faults = append(faults, fmt.Sprintf("too many lines: %s had fewer sessions: %+v", addr, *rest[0]))
		}
	}
	faults = append(faults, r.faultsOfTotals(len(lines), more)...)
	faults = append(faults, r.faultsOfTheRound()...)
	r.t.Logf("%s: %d sessions, %v", r.name, len(r.outings), causes)
	r.tell(faults)
}

// since returns the first line of a session that began at a time or after it. An address may have had others before,
// and those of clients that were reset before they knew their address.
func since(lines []*entry, began time.Time) (first *entry) {
	for _, e := range lines {
		if e.Time.After(began.Add(-time.Millisecond)) && (first == nil || e.Time.Before(first.Time)) {
			first = e
		}
	}
	return first
}

// tell fails the test with some of the faults, and says how many there are of each kind.
func (r *chaosRound) tell(faults []string) {
	const most = 10
	kinds := map[string]int{}
	for _, f := range faults {
		kind, _, _ := strings.Cut(f, ":")
		kinds[kind]++
		if kinds[kind] <= most {
			r.t.Error(f)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		r.t.Errorf("%d times: %s", kinds[kind], kind)
	}
}

// lines returns the access log, and what standard error told at the end.
func (r *chaosRound) lines() (all []*entry, stopped stoppedLine) {
	for _, line := range r.forebay.Stdout.All() {
		e := parse(r.t, line)
		all = append(all, &e)
	}
	for _, line := range r.forebay.Stderr.All() {
		if strings.Contains(line, `"msg":"stopped`) {
			if err := json.Unmarshal([]byte(line), &stopped); err != nil {
				r.t.Errorf("%v in %q", err, line)
			}
		}
	}
	return all, stopped
}

// A stoppedLine is what forebay tells when it ends.
type stoppedLine struct {
	Total  int
	Causes map[string]int
}

func (r *chaosRound) faultsOfTotals(lines int, stopped stoppedLine) (faults []string) {
	sum := 0
	for _, n := range stopped.Causes {
		sum += n
	}
	if stopped.Total != lines || sum != lines {
		faults = append(faults, fmt.Sprintf("wrong totals: %d lines in the log, %d sessions in total, %d by cause",
			lines, stopped.Total, sum))
	}
	return faults
}

// faultsOfTheRound returns what was to happen and did not, so that nothing was found out about it.
func (r *chaosRound) faultsOfTheRound() (faults []string) {
	if r.moves {
		r.t.Logf("%d sockets were seen to move between event loops", r.watch.moves.Load())
		if !r.moved() {
			faults = append(faults, "not tried: no session has moved between event loops")
		}
	}
	if r.urgent {
		marks := 0
		for _, o := range r.outings {
			marks += len(o.marks)
		}
		r.t.Logf("%d urgent bytes came to clients", marks)
		if marks == 0 {
			faults = append(faults, "not tried: no urgent byte has come to a client")
		}
	}
	return faults
}

// faultsOfVisits returns what went wrong at backends.
func (r *chaosRound) faultsOfVisits() (faults []string) {
	for _, b := range r.backends {
		for _, v := range b.visits {
			if v.fault != nil {
				faults = append(faults, fmt.Sprintf("%s at a backend: %v\n\t%v", kindOf(v.fault), v.fault, v))
			}
		}
	}
	return faults
}

// kindOf names a fault in the bytes.
func kindOf(err error) string {
	for _, kind := range []string{"FOREIGN", "TURNED", "TWICE", "LOST"} {
		if strings.Contains(err.Error(), kind) {
			return kind
		}
	}
	return "nobody's bytes"
}

func (v *chaosVisit) String() string {
	return fmt.Sprintf("backend %s, which %s, had session %d: %v", v.backend.addr, v.conduct, v.in.id, v.talk)
}

func (c *chaosCase) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "session %d from %s, %+v\n\tclient: %v", c.id, c.addr, c.script, c.talk)
	if c.failed != nil {
		fmt.Fprintf(&b, "; %v", c.failed)
	}
	for _, v := range c.visits {
		fmt.Fprintf(&b, "\n\t%v", v)
	}
	if c.line != nil {
		text, _ := json.Marshal(c.line)
		fmt.Fprintf(&b, "\n\t%s", text)
	}
	return b.String()
}

// during reports whether one of the backends did something of which is holds while the session was there.
func (c *chaosCase) during(name string, is func(conduct) bool) bool {
	for _, b := range c.round.backends {
		if b.addr == name {
			return b.conducted(c.began, c.over, is)
		}
	}
	return c.round.hole
}

func bad(c conduct) bool { return c != serves && c != stalls }
