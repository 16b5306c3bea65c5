package integration

import (
	"fmt"
	"slices"
	"strings"
)

// faults returns what of a session should not have been. Each begins with its kind and a colon.
func (c *chaosCase) faults() (faults []string) {
	say := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if c.fault != nil {
		say("%s at a client: %v", kindOf(c.fault), c.fault)
	}
	if c.fault != nil || slices.ContainsFunc(c.visits, func(v *chaosVisit) bool { return v.fault != nil }) {
		return faults // which has consequences
	}
	if c.addr == "" || c.line == nil {
		if c.addr != "" {
			say("no line: the log has none for this session")
		} else if c.failed != nil && !c.round.cutShort {
			say("not reached: %v", c.failed)
		}
		return faults
	}
	c.findLast()
	c.checkVisits(say)
	c.checkUrgent(say)
	c.checkEnds(say)
	c.checkCause(say)
	c.checkCounts(say)
	c.checkWhole(say)
	return faults
}

// findLast finds the visit at the backend that the log names.
func (c *chaosCase) findLast() {
	for _, v := range c.visits {
		if v.backend.addr == c.line.Backend {
			c.last = v
		}
	}
}

// checkVisits looks at where the session has been: with one backend that answered, and with those before it that died.
func (c *chaosCase) checkVisits(say func(string, ...any)) {
	answered, died := 0, 0
	for _, r := range c.line.results() {
		if r == "died" {
			died++
		}
	}
	for _, v := range c.visits {
		if v.said > 0 {
			answered++
		}
		if v.client != "" && v.client != c.addr {
			say("wrong header: a backend was told of %s", v.client)
		}
		if v != c.last && !slices.ContainsFunc(c.line.Tries, func(t try) bool { return t.Backend == v.backend.addr }) {
			say("wrong backend: %s got its bytes, which the log does not know", v.backend.addr)
		}
	}
	if answered > 1 {
		say("two answers: %d backends have answered", answered)
	}
	if len(c.visits) > died+1 {
		say("too many backends: %d got its bytes, of which %d are said to have died", len(c.visits), died)
	}
}

// checkUrgent has urgent bytes be those that were sent as such. A mark may be lost when the next one is set, as there
// is one at a time. So the last that was sent has come where its byte has.
func (c *chaosCase) checkUrgent(say func(string, ...any)) {
	check := func(from, to *talk, d direction) {
		for _, at := range to.marks {
			if !slices.Contains(from.urged, at) {
				say("wrong mark: byte %d %s came as an urgent one", at, d)
			}
		}
		if n := len(from.urged); n > 0 && from.urged[n-1] < to.heard() && !slices.Contains(to.marks, from.urged[n-1]) {
			say("lost mark: byte %d %s came as an ordinary one", from.urged[n-1], d)
		}
	}
	for _, v := range c.visits {
		check(c.talk, v.talk, up)
	}
	if c.last != nil {
		check(c.last.talk, c.talk, down)
	}
}

// checkEnds has a FIN stand for one, behind all that was said.
func (c *chaosCase) checkEnds(say func(string, ...any)) {
	switch v := c.last; {
	case c.said < c.tried: // the kernel may have told of a reset there, and shows a clean end to who reads
	case c.end == cut && c.line.Cause != "backend-truncated":
		say("false end: the client saw a FIN without close_notify")
	case c.end != fin:
	case v == nil && (c.heard() > 0 || !c.leaves() && !c.during(c.line.Backend, bad)):
		say("false end: the client saw a FIN that no backend sent")
	case v != nil && v.conduct != closesLater && (!v.finished || v.said != c.heard()):
		say("false end: the client saw a FIN after %d bytes of %d", c.heard(), v.said)
	}
	for _, v := range c.visits {
		if v.end == cut {
			say("false end: a backend saw a FIN without close_notify")
		}
		if v.end == fin && !(c.finished && v.heard() == c.said) && !c.leaves() {
			say("false end: a backend saw a FIN after %d bytes of %d", v.heard(), c.said)
		}
	}
}

// leaves reports whether the session may have been ended in its client's name. A client that resets it after that has
// the last word in the log.
func (c *chaosCase) leaves() bool { return (c.round.drains || c.round.leaves) && !c.clean() }

// checkCounts compares the log with what both ends saw.
func (c *chaosCase) checkCounts(say func(string, ...any)) {
	e := c.line
	spoke := !c.round.tlsIn || e.ClientTLS.Version != "" // else what was read from it was its ClientHello
	down := c.heard() <= e.ToClient && e.ToClient <= e.FromBackend
	up := !spoke || e.ToBackend <= e.FromClient && e.FromClient <= c.tried
	if !up || !down {
		say("wrong counts: the client said %d and heard %d", c.tried, c.heard())
	}
	if v := c.last; v != nil && (v.heard() > e.ToBackend || e.FromBackend > v.tried) {
		say("wrong counts: the backend heard %d and said %d", v.heard(), v.tried)
	}
	if c.clean() && c.last != nil && c.last.end == fin && c.end == fin &&
		(e.FromClient != c.said || e.ToBackend != c.said || e.FromBackend != c.heard() || e.ToClient != c.heard()) {
		say("wrong counts: %d bytes were carried to the backend and %d to the client", c.said, c.heard())
	}
}

func (c *chaosCase) clean() bool {
	return c.line.Cause == "client-closed" || c.line.Cause == "backend-closed"
}

// checkCause has what the log says have its reason in what client and backends did.
func (c *chaosCase) checkCause(say func(string, ...any)) {
	p, v := &c.round.chaosPlan, c.last
	byBackend := v != nil && (v.reset || bad(v.conduct)) || c.during(c.line.Backend, bad)
	reason := false
	switch c.line.Cause {
	case "client-closed", "backend-closed":
		reason = c.finished && (v != nil && v.finished || byBackend)
	case "client-reset":
		reason = c.reset
	case "client-left":
		reason = c.reset || c.finished || p.cutShort
	case "backend-reset":
		reason = byBackend
	case "backend-truncated", "backend-tls-fault":
		reason = byBackend && p.tlsOut
	case "own-fault":
		reason = c.heard() == 0 && slices.ContainsFunc(c.line.Tries, c.unplaced)
	case "connect-failed":
		reason = c.heard() == 0 && c.allTriesMayFail()
	case "no-backend", "queue-full", "queue-timeout":
		reason = c.heard() == 0 && (p.health || p.drains)
	case "drained":
		reason = p.drains || p.downs
	case "rebalanced":
		reason = p.leaves
	case "backend-down":
		reason = p.downs
	case "drain-cut":
		reason = p.drains || p.cutShort
	case "denied":
		reason = c.heard() == 0 && p.denies
	case "client-conns", "client-rate":
		reason = c.heard() == 0 && p.limits
	case "handshake-failed", "handshake-timeout":
		reason = p.cutShort
	}
	if !reason {
		say("no reason: the session ended by %s", c.line.Cause)
	}
	for _, t := range c.line.Tries {
		late := t.Result == "timeout" && p.hole // its connect timeout is short, for a machine that is busy
		if t.Result != "connected" && t.Result != "abandoned" && !late && !c.unplaced(t) && !c.during(t.Backend, bad) {
			say("no reason: a try at %s ended by %s", t.Backend, t.Result)
		}
	}
}

// unplaced reports whether t found no place for its handshake within its connect timeout, where that is short: others
// were computed all the time.
func (c *chaosCase) unplaced(t try) bool {
	return c.round.hole && c.round.tlsOut && t.Result == "own-fault" && strings.Contains(t.Fault, "it was not begun")
}

// allTriesMayFail reports whether each backend that was tried did something to be blamed for.
func (c *chaosCase) allTriesMayFail() bool {
	for _, t := range c.line.Tries {
		if t.Result != "abandoned" && !(t.Result == "timeout" && c.round.hole) && !c.unplaced(t) && !c.during(t.Backend, bad) {
			return false
		}
	}
	return true
}

// checkWhole looks at sessions in whose way nothing came: all was said, and ended as their script has it.
func (c *chaosCase) checkWhole(say func(string, ...any)) {
	v := c.last
	if c.end == unheard {
		if v == nil && c.during(c.line.Backend, func(is conduct) bool { return is == freezes }) {
			return
		}
		say("stuck: nothing came for %v", c.patience)
	}
	if v == nil || v.conduct != serves && v.conduct != stalls {
		return
	}
	s, toBackend, toClient := c.script, c.script.said(up), c.script.said(down)
	switch {
	case c.clean():
		if c.heard() != toClient || v.heard() != toBackend || s.ending > backendEnds {
			say("not whole: the session ended in good order")
		}
	case c.line.Cause == "client-reset" && s.ending == clientResets:
		if s.acked && !(v.heard() == toBackend && (v.end == broken || c.leaves())) {
			say("not whole: the client reset after %d bytes; its backend had %d, then %v", toBackend, v.heard(), v.end)
		}
	case c.line.Cause == "backend-reset" && s.ending == backendResets:
		if s.acked && (c.heard() != toClient || c.end != broken) {
			say("not whole: the backend reset after %d bytes; its client had %d, then %v", toClient, c.heard(), c.end)
		}
	case c.line.Cause == "backend-reset" || c.line.Cause == "client-reset":
		say("not whole: the session ended by %s, and neither was to reset", c.line.Cause)
	}
}
