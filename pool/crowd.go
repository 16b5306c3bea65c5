package pool

import "time"

// Crowd enters that the kernel of b's machine, which is this one, finds clients that b does not accept, or takes that
// back. A crowded backend is ejected: it gets sessions only where no other is up. Crowd reports whether that is so now;
// it is not where the pool could not spare the backend, for which the rules of an Ejection hold.
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
