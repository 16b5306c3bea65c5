package l4

// When a session's socket is closed, kept for another session, moved to another loop, or replaced by the next one,
// nothing may be queued for it any more: what the outbox sends later would reach whatever has the same descriptor by
// then. So a side's descriptor is taken by release alone, which sees to that, and only what release returns can be
// closed or kept. A test in integration holds the code to this.

// A released is a descriptor that nothing is queued for and no session has. Whoever holds it must close it, or keep it.
type released struct{ fd int32 }

func (d released) close() { closeFD(d.fd) }

// release takes the socket from e, a side of s, and leaves e without one. What is queued for it is sent first.
func (s *session) release(e *side) released {
	if e.posted {
		s.flushQueued()
	}
	if e.layer != nil {
		e.layer.end()
	}
	d := released{e.fd}
	e.fd = -1
	return d
}

// closeSide closes the socket: with FIN where it still has to be said, and what is queued is still delivered.
func (s *session) closeSide(e *side) {
	if e.open() {
		s.release(e).close()
	}
}

// resetSide closes the socket with RST and drops what is queued for its peer, here and in the kernel.
func (s *session) resetSide(e *side) {
	if e.open() {
		s.dropQueued(e)
		abortOnClose(e.fd)
		s.release(e).close()
	}
}

// abortSide closes the socket so that the peer can't take what it got for the whole: with RST, or after a fatal alert
// of TLS, which says the same and must be the last thing said, with FIN.
func (s *session) abortSide(e *side) {
	if e.fault != uint16(faultTLS) || e.layer != nil && e.layer.untold {
		s.resetSide(e)
		return
	}
	e.discard(s.loop.buf)
	s.closeSide(e)
}

// closeWhole closes the socket of a peer that has said all it had to say, as closeSide does, at the end of the loop's
// turn at the latest. Over TLS something may have come behind close_notify. closeWhole looks for it, as the event that
// tells of it may still be on its way.
func (s *session) closeWhole(e *side) {
	if e.layer != nil {
		e.discard(s.loop.buf)
	}
	if !e.open() || e.layer != nil || !s.loop.mayCloseLater() {
		s.closeSide(e)
		return
	}
	s.loop.outbox.putClose(s.release(e))
}

// closeBackend closes the backend's socket after a session that said all it had to say, or keeps it for another.
func (s *session) closeBackend() {
	l, e := s.loop, &s.backend
	if !e.open() || !l.poller.busy || !s.reusable(e) {
		s.closeWhole(e)
		return
	}
	if !e.shut {
		shutdownWrite(e.fd)
	}
	whole := unacknowledged(e.fd) == 0 // else FIN is still on its way
	family := e.family()
	if d := s.release(e); !whole || !l.sockets.keep(d, family) {
		d.close()
	}
}

// unwatch takes the sockets of s out of its loop's epoll instance, for another loop to have them. What is queued for
// them is sent first.
func (s *session) unwatch() {
	s.flushQueued()
	for _, e := range [...]*side{&s.client, &s.backend} {
		if e.watched || e.enrolled {
			epollRemove(s.loop.poller.sessions, e.fd)
			e.watched, e.watchesTx, e.enrolled = false, false, false
		}
	}
}
