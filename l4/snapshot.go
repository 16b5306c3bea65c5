package l4

// A Snapshot is what a Server has counted since it began.
type Snapshot struct {
	Sessions     int    // open now; one on its way to another loop may be missed
	MaxConns     int    // the limit
	Loops        int    // started
	Accepted     uint64 // connections taken
	Empty        uint64 // sessions that ended without a byte either way
	AcceptPauses uint64 // times accepting paused because this machine lacked something
	Connects     uint64 // tries begun
	Hedges       uint64 // of those, second ones beside a silent first
	Moves        uint64 // sessions handed from one loop to another
	AcceptWaits  uint64 // times a listener's queue was left alone because of AcceptRate
	FlowWaits    uint64 // times a session waited for bandwidth
	Sources      int    // sources that are remembered because of Limits
	Uncounted    uint64 // sessions to which no limit by source was applied, as there was no place to count them
	Delayed      int    // clients that wait for their refusal now
	Held         int64  // bytes of memory that sessions hold, beyond what each costs in any case
	Waiting      int    // clients whose TLS handshakes wait to be begun now, as others are computed
	GaveUp       uint64 // clients that left before their handshakes were begun, or whose time was over
	Panics       uint64 // sessions reset because of a bug
	Misdirected  uint64 // calls that would have met the wrong socket or session, and were not made; each is a bug
	FromClient   uint64 // bytes, of ended sessions
	FromBackend  uint64
	ToBackend    uint64
	ToClient     uint64
	Causes       map[Cause]uint64 // ended sessions; those that never occurred are left out
}

// Snapshot returns the server's counters. They are read one after the other while it serves.
func (s *Server) Snapshot() Snapshot {
	s.prepare()
	snap := Snapshot{
		MaxConns:     s.MaxConns,
		AcceptPauses: s.pauses.times.Load(),
		Connects:     s.connects.Load(),
		Hedges:       s.hedges.Load(),
		Held:         s.budget.held.Load(),
		Causes:       map[Cause]uint64{},
	}
	s.mu.Lock()
	loops := s.loops
	s.mu.Unlock()
	s.door.report(&snap)
	snap.Waiting, _, snap.GaveUp = s.places.look(0)
	snap.Loops = len(loops)
	for _, l := range loops {
		snap.add(&l.stats)
	}
	return snap
}

func (snap *Snapshot) add(st *loopStats) {
	snap.Sessions += int(st.sessions.Load())
	snap.Accepted += st.accepted.Load()
	snap.Empty += st.empty.Load()
	snap.Moves += st.moves.Load()
	snap.AcceptWaits += st.acceptWaits.Load()
	snap.FlowWaits += st.flowWaits.Load()
	snap.Panics += st.panics.Load()
	snap.Misdirected += st.misdirected.Load()
	snap.FromClient += st.fromClient.Load()
	snap.FromBackend += st.fromBackend.Load()
	snap.ToBackend += st.toBackend.Load()
	snap.ToClient += st.toClient.Load()
	for c := range st.causes {
		if n := st.causes[c].Load(); n > 0 {
			snap.Causes[Cause(c)] += n
		}
	}
}
