package l4

import (
	"sync"
	"time"

	"forebay/pool"
)

// sliceLength is how many sessions a loop looks at before it goes on with its other work: less than 100 µs of a
// processor.
const sliceLength = 256

// each calls f with the numbers from at to count, a slice of them in each turn of the loop, and then calls done. count
// may change meanwhile.
func (l *loop) each(at int, count func() int, f func(int), done func()) {
	for end := at + sliceLength; at < end && at < count(); at++ {
		f(at)
	}
	if at < count() && l.post(func() { l.each(at, count, f, done) }) {
		return
	}
	done()
}

// sweep shows visit the loop's sessions; visit may end them. Sessions that come or go meanwhile may be left out.
func (l *loop) sweep(visit func(*session), done func()) {
	l.each(0, func() int { return len(l.slots) }, func(i int) {
		if s := l.slots[i].session; s != nil {
			visit(s)
		}
	}, done)
}

// sweep has each loop show its sessions to the function that visitor makes for it, and returns when all have. It
// returns false where the server stops. It waits for the loops, so it must not be called on one.
func (s *Server) sweep(visitor func(*loop) func(*session)) bool {
	return s.acrossLoops(func(l *loop, done func()) { l.sweep(visitor(l), done) })
}

// Reset resets every session that b has now, with why as their cause, and returns when it has. Sessions that begin
// meanwhile stay.
func (s *Server) Reset(b *pool.Backend, why Cause) {
	s.prepare()
	s.reset(func(x *session) bool { return x.lease.Backend() == b }, why)
}

// reset resets the sessions that there are now and that of reports true for.
func (s *Server) reset(of func(*session) bool, why Cause) {
	for before := s.clock(); ; {
		settled, handed := s.adopted.Load() == s.handed.Load(), s.handed.Load()
		swept := s.sweep(func(*loop) func(*session) {
			return func(x *session) {
				if of(x) && x.tried <= before {
					x.finish(why)
				}
			}
		})
		if !swept || settled && s.handed.Load() == handed {
			return // no session was on its way from one loop to another
		}
	}
}

// A mark is what goroutines other than its loop may know of a session, which may have ended since.
type mark struct {
	loop    *loop
	session ref
	backend *pool.Backend
	still   time.Duration // since a byte last moved
	quiet   bool          // nothing seems to be under way in it
}

// A roll is what a sweep has found out about some backends' sessions.
type roll struct {
	found   int
	marks   []mark // of the sessions that may be concluded
	leaving map[*pool.Backend]int
	oldest  time.Duration // age of the oldest
}

// roll looks at the sessions that have a backend and that of reports true for. of is called on the session's loop.
func (s *Server) roll(of func(*session) bool) roll {
	var mu sync.Mutex
	var parts []*roll
	s.sweep(func(l *loop) func(*session) {
		part := &roll{leaving: map[*pool.Backend]int{}}
		mu.Lock()
		parts = append(parts, part)
		mu.Unlock()
		return func(x *session) {
			if x.lease.Backend() != nil && of(x) {
				part.enter(x)
			}
		}
	})
	all := roll{leaving: map[*pool.Backend]int{}}
	for _, part := range parts {
		all.join(part)
	}
	return all
}

// enter takes a session in. It is called on the session's loop.
func (r *roll) enter(s *session) {
	now := s.loop.now
	r.found++
	r.oldest = max(r.oldest, durationOf(now-s.began))
	switch {
	case s.first == ownEnd:
		r.leaving[s.lease.Backend()]++
	case s.concludable():
		r.marks = append(r.marks, mark{s.loop, s.ref(), s.lease.Backend(), durationOf(now - s.moved), s.quiet()})
	}
}

// quiet counts the sessions of each backend that are quiet.
func (r *roll) quiet() map[*pool.Backend]int {
	n := map[*pool.Backend]int{}
	for i := range r.marks {
		if r.marks[i].quiet {
			n[r.marks[i].backend]++
		}
	}
	return n
}

func (r *roll) join(part *roll) {
	r.found += part.found
	r.marks = append(r.marks, part.marks...)
	r.oldest = max(r.oldest, part.oldest)
	for b, n := range part.leaving {
		r.leaving[b] += n
	}
}

// conclude concludes those of marks that are still as they were marked, and returns when it has.
func (s *Server) conclude(marks []mark, why Cause) {
	of := map[*loop][]mark{}
	for _, m := range marks {
		of[m.loop] = append(of[m.loop], m)
	}
	s.acrossLoops(func(l *loop, done func()) {
		mine := of[l]
		l.each(0, func() int { return len(mine) }, func(i int) { l.concludeMarked(mine[i], why) }, done)
	})
}

func (l *loop) concludeMarked(m mark, why Cause) {
	s := l.find(m.session)
	if s == nil || !s.concludable() || durationOf(l.now-s.moved) < m.still || s.client.pending() {
		return
	}
	s.conclude(why)
}
