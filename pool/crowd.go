package pool

import "time"

// Crowd enters that clients wait in the kernel's queue of b and b does not accept them, or, with crowded false, that
// none do any more. b listens on this machine. A crowded backend is ejected: it gets sessions only where no other is
// up. Crowd reports whether b is crowded now. It returns false where the pool can't spare b, by the rules of an
// Ejection.
func (b *Backend) Crowd(crowded bool, e Evidence) bool {
	p := b.pool
	p.mu.Lock()
	defer p.release()
	if crowded == b.crowded || crowded && !p.mayEjectLocked(b) {
		return b.crowded
	}
	b.crowded, b.seen = crowded, true
	p.reviewLocked(b, time.Now(), e)
	return crowded
}
