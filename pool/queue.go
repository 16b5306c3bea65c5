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
	place   node[*Waiter] // in the queue, then among those to be told
}

// Wait puts r into the queue. As soon as a backend has room for it, after those who came before, granted is called with
// the lease: once, without any lock held, on the goroutine that made the room. That may be the caller's own, within
// Wait, if room came since its Pick: granted should do no more than hand the lease on. A client that no longer wants a
// backend must Leave.
//
// The error is ErrQueueFull where as many wait as Options.Queue allows, and ErrNone where no backend is left for r;
// granted will not be called then. If an Update takes away the last backend that r could have waited for, r waits on:
// another may bring one.
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

// enqueue serves w at once if it can, and else puts it last in the queue.
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

// Leave takes w out of the queue. If it returns true, granted has not been called and never will be; if false, it was
// or is being called, or w had left before.
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

// serveLocked gives leases to the waiters that can have one, first come first served, until no room is left. It is
// called whenever room has come, so that between two critical sections no waiter could be served: that is why a Pick
// overtakes nobody.
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

// roomLocked reports whether any backend may have room for one who waits. Backups, and those of the last resort, have
// none for those who may wait for a primary: only for who has tried what serves there. Without that distinction each
// session that ends would look at the whole queue where backups stand by.
func (p *Pool) roomLocked() bool {
	switch {
	case p.primary.mayServe(), p.primary.serving == 0 && p.backup.mayServe():
		return true
	case p.retrying > 0:
		return p.backup.mayServe() || p.held.head != nil
	}
	return false
}

// grants are waiters that have their lease and must yet be told so, once the mutex is free. They are linked by the node
// that the queue needs no more.
type grants struct{ first, last *node[*Waiter] }

func (g *grants) push(w *Waiter) {
	if g.last == nil {
		g.first = &w.place
	} else {
		g.last.next = &w.place
	}
	g.last = &w.place
}

// tell calls granted for each, first come first.
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
