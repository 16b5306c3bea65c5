package pool

import (
	"slices"
	"sync/atomic"
)

// A Waiter is a client's place in the queue for a backend.
type Waiter struct {
	request Request
	granted func(Lease)
	lease   Lease         // once it is granted
	place   node[*Waiter] // in the queue, then in the grants
}

// Wait puts r into the queue. When a backend has room for r, and those before r have been served, Wait has granted
// called with the lease: once, without any lock held, on the goroutine that made the room. That may be within Wait
// itself, if room came since the caller's Pick. granted should only pass the lease on. A client that no longer wants a
// backend must Leave.
//
// The error is ErrQueueFull where as many wait as Options.Queue allows, and ErrNone where no backend is left for r.
// Then granted is never called. If an Update removes the last backend that r could wait for, r goes on waiting: another
// Update may bring one.
func (p *Pool) Wait(r *Request, granted func(Lease)) (*Waiter, error) {
	w := &Waiter{granted: granted, request: Request{Source: r.Source, Tried: slices.Clone(r.Tried)}}
	w.place.of = w
	served, err := p.enqueue(w)
	if err != nil {
		return nil, err
	}
	if served {
		w.granted(w.lease)
	}
	return w, nil
}

// enqueue serves w at once if it can; else it puts w at the end of the queue.
func (p *Pool) enqueue(w *Waiter) (served bool, err error) {
	defer Corrupting()
	p.mu.Lock()
	defer p.mu.Unlock()
	w.lease, err = p.pickLocked(&w.request)
	switch {
	case err == nil:
		return true, nil
	case err != ErrFull:
		return false, err
	case p.queue.length >= p.options.Queue:
		p.counts.shed.Add(1)
		return false, ErrQueueFull
	}
	p.queue.push(&w.place)
	if w.tried() {
		p.retrying++
	}
	p.counts.waiting.Store(int64(p.queue.length))
	p.counts.waited.Add(1)
	return false, nil
}

// tried reports whether w has had a backend already.
func (w *Waiter) tried() bool { return len(w.request.Tried) > 0 }

// unqueueLocked takes w out of the queue.
func (p *Pool) unqueueLocked(w *Waiter) {
	p.queue.remove(&w.place)
	if w.tried() {
		p.retrying--
	}
	p.counts.waiting.Store(int64(p.queue.length))
}

// Leave takes w out of the queue. If it returns true, granted was not called and never will be. If false, granted was
// called or is being called, or w had left before.
func (p *Pool) Leave(w *Waiter) bool {
	defer Corrupting()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.place.linked {
		return false
	}
	p.unqueueLocked(w)
	p.counts.left.Add(1)
	return true
}

// serveLocked gives leases to the waiters, in the order in which they came, until no room is left. It is called
// whenever room has come. So at the end of each critical section no waiter could be served, and a Pick overtakes
// nobody.
func (p *Pool) serveLocked() {
	for n := p.queue.head; n != nil && p.roomLocked(); {
		w := n.of
		n = n.next
		if lease, err := p.pickLocked(&w.request); err == nil {
			w.lease = lease
			p.unqueueLocked(w)
			p.granted.push(w)
		}
	}
}

// roomLocked reports whether any backend may have room for a waiter. Backups and ejected backends have room only for a
// waiter that has tried a backend already, as long as a primary serves; the others wait for a primary. Without that
// distinction each session that ends would search the whole queue wherever there are backups.
func (p *Pool) roomLocked() bool {
	switch {
	case p.primary.mayServe(), p.primary.serving == 0 && p.backup.mayServe():
		return true
	case p.retrying > 0:
		return p.backup.mayServe() || p.held.head != nil
	}
	return false
}

// grants are waiters that have a lease and are told so when the mutex is free. They are linked by the node that the
// queue no longer needs.
type grants struct{ first, last *node[*Waiter] }

func (g *grants) push(w *Waiter) {
	if g.last == nil {
		g.first = &w.place
	} else {
		g.last.next = &w.place
	}
	g.last = &w.place
}

// tell calls granted for each, in the order in which they came.
func (g grants) tell() {
	for n := g.first; n != nil; {
		w := n.of
		n, w.place.next = n.next, nil
		w.granted(w.lease)
	}
}

// queueCounts are written with the pool's mutex held and read without.
type queueCounts struct {
	waiting atomic.Int64
	waited  atomic.Uint64
	shed    atomic.Uint64
	left    atomic.Uint64
}
