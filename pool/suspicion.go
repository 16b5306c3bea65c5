package pool

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"
)

// Evidence against a backend must not be something that a client can make. That nobody could connect is the backend's
// doing, or the network's. But where a session ends after that without a byte of the backend's, its client may be why:
// a server closes, or resets, on a request that is none, and one that only takes in, as syslog does, never says a byte.
// So such ends count only
//
//   - if a check finds the backend failing at the same time (Convict), which is asked for when there are many of them;
//   - or if they are those of many clients, and are far more than the pool's sessions in general have.
//
// Neither is for one client to bring about: it is one source, however often it comes, and weighs no more than all
// others together. A crowd of sources brings them to every backend, and so they are what is usual.

// manySources is how many clients must have had no answer.
const manySources = 5

// improbable is how unlikely it must be that they had none by chance.
const improbable = 1e-6

// The window in which a share of failures is looked at. It is opened by a failure, so that sessions that succeed cost
// nothing.
const (
	windowLength  = 10 * time.Second
	windowMinimum = 20 // sessions; of fewer, a share says little
	windowExcess  = 4  // how many times as many sessions as usual must be without an answer
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

// A row is sessions, one after the other, that were connected and ended by the backend's doing without a byte of its.
type row struct {
	length    int
	since     fates // of the pool, when it began
	sources   sources
	acquitted int // how many there were when a check found the backend well
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

// An origin is a client's address, hashed: of IPv6 a network of 64 bits, since whoever has one such address has all of
// them.
type origin uint32

// sources are different clients, as many as are needed to be many.
type sources struct {
	count  int
	all    [manySources]origin
	shares [16]uint32 // how often any came, those apart whose origins differ in the last bits
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

// excess is how much oftener one client came than all others together.
func (s *sources) excess() int {
	most, all := 0, 0
	for _, share := range s.shares {
		most, all = max(most, int(share)), all+int(share)
	}
	return max(2*most-all, 0)
}

// originOf returns the origin of a client. Those without an address have the same.
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

// count takes in a failure. Failures to connect end with a connection; those after it only with a byte of the
// backend's, for a backend whose kernel accepts for a dead process is connected to each time.
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
	return r.sources.many() && math.Pow(x.chance(r.since, r.length, late), float64(r.length-r.sources.excess())) <= improbable
}

// counted returns how many of the sessions begun in the window failed, as far as it was not clients' doing.
func (w *window) counted(begun uint64, x *experience, late fates) uint64 {
	unanswered := w.unanswered - uint64(w.sources.excess())
	if w.sources.many() && float64(unanswered) >= windowExcess*x.chance(w.since, int(w.unanswered), late)*float64(begun) {
		return w.failed + unanswered
	}
	return w.failed
}

// asks reports whether r is so long that a check should find out what it means, where e ejects after so many. When one
// has passed, the next is asked for when the row is twice as long: a server that never answers is not to be asked for
// ever.
func (r *row) asks(e Ejection) bool { return e.After > 0 && r.length >= max(e.After, 2*r.acquitted) }

// warning returns what is left of r when its backend is readmitted: another client without an answer makes it whole
// again.
func (r *row) warning(after int, now fates) row {
	w := row{length: min(r.length, max(after-1, 0)), since: now}
	w.since.unanswered -= w.length
	for _, one := range r.sources.all[:min(r.sources.count, manySources-1)] {
		w.sources.add(one)
	}
	return w
}

// fates counts what became of sessions that reached a backend.
type fates struct{ answered, unanswered int }

// count takes in that a session ended with o, or if that is Served, had an answer.
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

// experience is what became of a pool's sessions: all of them, and the last few hundred, those before them less and
// less.
type experience struct {
	all, late fates
	halved    int // how often late was
}

// A part is what became of those sessions among the late ones of an experience that were one backend's.
type part struct {
	fates
	halved int
}

// among returns what p is of x by now.
func (p *part) among(x *experience) fates {
	for ; p.halved < x.halved && p.fates != (fates{}); p.halved++ {
		p.halve()
	}
	p.halved = x.halved
	return p.fates
}

// lateSessions is how many are counted before all that was counted weighs half.
const lateSessions = 256

// count takes in a session of the backend that own is the part of.
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

// chance is how likely a session is to have no answer where its backend is well, rather too high than too low: by what
// became of the pool's other sessions since a moment, and of those of late. own are those of one backend since then,
// none of which had any, and late its part of the latter: it says what is usual only where other backends have had too
// few sessions for that, or one that fails for long would be what is usual. Where no session has ever had an answer it
// is 1.
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
	const deviations = 2 // of a count, that it may be short by
	now := (unanswered + deviations*math.Sqrt(unanswered) + 1) / (answered + unanswered + 2)
	return min(max(usual, now), 1)
}

// Suspected reports whether so many of b's sessions in a row ended without an answer that a check should tell why: see
// Convict and Acquit. A check that is to tell asks for more than that b's kernel takes connections.
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
