package l4

// A progress watches whether the peers of a session take what waits for them. After something was written it looks once
// in a while at how much the kernel still holds for each peer. A peer takes bytes in order. So as long as it has
// acknowledged less than was held at one look, some of that still waits at the next, and there was something to take
// all the time.
type progress struct {
	at      int64  // of the next look; 0: all that was written has been acknowledged
	written uint64 // by the session, both ways, at the last look
	client  backlog
	backend backlog
}

// A backlog is what one look found.
type backlog struct {
	held  int    // by the kernel for the peer
	acked uint64 // by the peer, of all that was ever sent
}

// next returns when to look; never where nothing waits.
func (p *progress) next() int64 {
	if p.at == 0 {
		return never
	}
	return p.at
}

// nextProgress is when s wants its progress to be looked at.
func (s *session) nextProgress() int64 {
	if m := s.meter(); m != nil {
		return m.progress.next()
	}
	return never
}

// tooSlow returns the cause that ends s where a peer had bytes to take for all of the time that LeastProgress names,
// and took too few of them.
func (s *session) tooSlow() Cause {
	m := s.meter()
	if m == nil || !s.loop.server.door.LeastProgress.limits() {
		return CauseNone
	}
	p, least, now := &m.progress, s.loop.server.door.LeastProgress, s.loop.now
	switch written := s.up.written + s.down.written; {
	case p.at == 0 && written == p.written, now < p.at:
		return CauseNone
	case p.at == 0:
		p.at = now + int64(least.Per)
		return CauseNone
	default:
		p.at, p.written = now+int64(least.Per), written
	}
	switch {
	case s.lags(&s.client, &p.client, least.N):
		return ClientSlow
	case s.lags(&s.backend, &p.backend, least.N):
		return BackendSlow
	case p.client.held+p.backend.held == 0:
		p.at = 0
	}
	return CauseNone
}

// lags looks at one side, and reports whether it took less than least of what it had to take since the last look.
// Nothing waits for a side that is lost, though the kernel goes on counting what it held for it.
func (s *session) lags(e *side, b *backlog, least int64) bool {
	before := *b
	if *b = (backlog{}); e.broken() {
		return false
	}
	b.held = e.unacknowledged()
	if b.held == 0 || !tcpInfo(e.fd, &s.loop.info) {
		return false
	}
	b.acked = s.loop.info.Bytes_acked
	taken := b.acked - before.acked
	return taken < min(uint64(before.held), uint64(least))
}
