package pool

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"
)

// A client must not be able to make evidence against a backend. A failed connection is the fault of the backend or the
// network. But where a session was connected and ended without a byte from the backend, the client may have caused it:
// a server closes or resets on a malformed request, and one that only receives, as syslog does, never sends a byte. So
// such ends count only
//
//   - if a check finds the backend failing at the same time (Convict), which is asked for when there are many of them;
//   - or if they are those of many clients, and are far more than the pool's sessions in general have.
//
// One client can bring about neither: it is one source, however often it comes, and weighs no more than all others
// together. Many such clients reach every backend, and then such ends are usual in the whole pool.

// manySources is how many different clients must have had no answer.
const manySources = 5

// improbable is how small the probability must be that they had none by chance.
const improbable = 1e-6

// The window over which the share of failures is taken. A failure opens it, so that sessions that succeed cost nothing.
const (
	windowLength  = 10 * time.Second
	windowMinimum = 20 // sessions: a share of fewer says little
	windowExcess  = 4  // sessions without an answer must be so many times what is usual
)

// suspicion is what traffic has against a backend.
type suspicion struct {
	unconnected int // connections that failed in a row
	row         row
	window      window
	slowWindows int       // in a row
	holds       int       // ejections that have not been forgiven
	readmitted  time.Time // when the last of them ended
}

// A row is a series of sessions that were connected, and that the backend ended without having sent a byte.
type row struct {
	length    int
	since     fates // of the pool, when it began
	sources   sources
	acquitted int // its length when a check last found the backend well
}

// A window counts what fails from the moment of its first failure.
type window struct {
	began      time.Time
	picks      uint64 // before the session whose failure opened it
	failed     uint64 // to connect
	unanswered uint64
	since      fates   // of the pool, when it began
	sources    sources // of those unanswered
}

// An origin is a client's address, hashed. Of IPv6 it is the /64 network: who has one address of it can use all of
// them.
type origin uint32

// sources holds up to manySources different clients.
type sources struct {
	count  int
	all    [manySources]origin
	shares [16]uint32 // how often clients came, by the last bits of their origins
}

func (s *sources) add(one origin) {
	s.shares[one%origin(len(s.shares))]++
	for _, known := range s.all[:s.count] {
		if known == one {
			return
		}
	}
	if s.count < manySources {
		s.all[s.count] = one
		s.count++
	}
}

func (s *sources) many() bool { return s.count == manySources }

// excess returns how many more sessions came from the most frequent client than from all others together.
func (s *sources) excess() int {
	most, all := 0, 0
	for _, share := range s.shares {
		most, all = max(most, int(share)), all+int(share)
	}
	return max(2*most-all, 0)
}

// originOf returns the origin of a client. All clients without an address have the same one.
func originOf(a netip.Addr) origin {
	if !a.IsValid() {
		return 0
	}
	b := a.As16()
	high, low := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	if !a.Unmap().Is4() {
		low = 0
	}
	return origin(mix(mix(high) ^ low))
}

// count counts a failure. A connection ends a row of failures to connect. Only a byte from the backend ends a row of
// the others: the kernel of a backend with a dead process may still accept each connection.
func (s *suspicion) count(l *Lease, o Outcome, before fates) {
	if now := time.Now(); now.Sub(s.window.began) > windowLength {
		s.window = window{began: now, picks: l.backend.picks.Load() - 1, since: before}
	}
	if !o.provocable() {
		s.unconnected++
		s.window.failed++
		return
	}
	if s.row.length == 0 {
		s.row.since = before
	}
	s.row.length++
	s.row.sources.add(l.origin)
	s.window.unanswered++
	s.window.sources.add(l.origin)
}

// againstLocked returns why e ejects b, "" if it does not.
func (b *Backend) againstLocked(e Ejection, last Outcome) string {
	s, x := &b.suspicion, &b.pool.past
	begun, late := b.picks.Load()-s.window.picks, b.part.among(x)
	switch failed := s.window.counted(begun, x, late); {
	case e.After > 0 && s.unconnected >= e.After:
		return fmt.Sprintf("%d connections in a row failed, the last: %v", s.unconnected, last)
	case e.After > 0 && s.row.length >= e.After && s.row.speaks(x, late):
		return fmt.Sprintf("%d sessions in a row failed before the first byte, the last: %v", s.row.length, last)
	case e.Share > 0 && begun >= windowMinimum && float64(failed) >= e.Share*float64(begun):
		return fmt.Sprintf("%d of %d sessions failed within %v, the last: %v", failed, begun, windowLength, last)
	}
	return ""
}

// speaks reports whether r speaks against its backend, and not against clients.
func (r *row) speaks(x *experience, late fates) bool {
	return r.sources.many() &&
		math.Pow(x.chance(r.since, r.length, late), float64(r.length-r.sources.excess())) <= improbable
}

// counted returns how many of the sessions that began in the window failed. Those that clients may have caused are left
// out.
func (w *window) counted(begun uint64, x *experience, late fates) uint64 {
	unanswered := w.unanswered - uint64(w.sources.excess())
	if w.sources.many() &&
		float64(unanswered) >= windowExcess*x.chance(w.since, int(w.unanswered), late)*float64(begun) {
		return w.failed + unanswered
	}
	return w.failed
}

// asks reports whether r is so long that a check should find out why, where e ejects after rows. After a check has
// passed, the next one is asked for when the row is twice as long, so that a server that never answers is not checked
// for ever.
func (r *row) asks(e Ejection) bool { return e.After > 0 && r.length >= max(e.After, 2*r.acquitted) }

// warning returns the row that a readmitted backend begins with: one session of another client without an answer
// completes it.
func (r *row) warning(after int, now fates) row {
	w := row{length: min(r.length, max(after-1, 0)), since: now}
	w.since.unanswered -= w.length
	for _, one := range r.sources.all[:min(r.sources.count, manySources-1)] {
		w.sources.add(one)
	}
	return w
}

// fates counts sessions that reached a backend, by whether they had an answer.
type fates struct{ answered, unanswered int }

// count counts a session. Served means that it had an answer; else it ended with o.
func (f *fates) count(o Outcome) {
	switch {
	case o == Served:
		f.answered++
	case o.provocable():
		f.unanswered++
	}
}

func (f *fates) sum() int { return f.answered + f.unanswered }

func (f *fates) halve() { f.answered, f.unanswered = f.answered/2, f.unanswered/2 }

// experience counts how the sessions of a pool ended: in all, and late, where older sessions weigh less and less.
type experience struct {
	all, late fates
	halved    int // how often late was halved
}

// A part is one backend's share of an experience's late sessions.
type part struct {
	fates
	halved int
}

// among halves p as often as x.late was halved since, and returns it.
func (p *part) among(x *experience) fates {
	for ; p.halved < x.halved && p.fates != (fates{}); p.halved++ {
		p.halve()
	}
	p.halved = x.halved
	return p.fates
}

// lateSessions is how many sessions are counted in late before its counts are halved.
const lateSessions = 256

// count counts a session of the backend that own belongs to.
func (x *experience) count(own *part, o Outcome) {
	own.among(x)
	own.count(o)
	x.all.count(o)
	x.late.count(o)
	if x.late.sum() >= lateSessions {
		x.late.halve()
		x.halved++
	}
}

// chance returns the probability that a session has no answer though its backend is well. It is rather too high than
// too low. It is the higher of two estimates: from the pool's sessions since a moment, and from the late ones. own is
// the number of sessions that one backend had since then, none of them with an answer, and late is that backend's part
// of the late sessions. The backend's own part counts only where the others have had too few sessions; else a backend
// that fails for long would define what is usual. Where no session has ever had an answer, the result is 1.
func (x *experience) chance(since fates, own int, late fates) float64 {
	others := fates{x.late.answered - late.answered, x.late.unanswered - late.unanswered}
	if others.sum() < windowMinimum {
		others = fates{x.late.answered, max(x.late.unanswered-own, 0)}
	}
	before := float64(others.unanswered)
	usual := (before + 2) / (float64(others.answered) + before + 2)
	answered, unanswered := float64(x.all.answered-since.answered), float64(x.all.unanswered-since.unanswered-own)
	if answered+unanswered == 0 {
		return usual
	}
	const deviations = 2 // standard deviations by which a count may be too low
	now := (unanswered + deviations*math.Sqrt(unanswered) + 1) / (answered + unanswered + 2)
	return min(max(usual, now), 1)
}

// Suspected reports whether so many of b's sessions in a row ended without an answer that a check should find out why:
// see Convict and Acquit. That check must ask for more than a connection, which b's kernel may accept alone.
func (b *Backend) Suspected() bool {
	b.pool.mu.Lock()
	defer b.pool.mu.Unlock()
	return b.row.asks(b.pool.options.Ejection)
}

// Convict enters that a check of b failed while b was Suspected, and ejects it where the pool can spare it.
func (b *Backend) Convict(e Evidence) {
	p := b.pool
	p.mu.Lock()
	defer p.release()
	if b.row.asks(p.options.Ejection) && p.mayEjectLocked(b) {
		e.Reason = fmt.Sprintf("%d sessions in a row failed before the first byte, and %s", b.row.length, e.Reason)
		p.ejectLocked(b, e)
	}
}

// Acquit enters that a check of b passed while b was Suspected.
func (b *Backend) Acquit() {
	b.pool.mu.Lock()
	defer b.pool.mu.Unlock()
	b.row.acquitted = b.row.length
}
