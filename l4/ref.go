package l4

// A ref names a session to whoever asks for it later, when it may have ended, have moved to another loop, or its
// storage may be another session's. It holds no pointer: the loop looks up what it names among the sessions that it has
// now. So what is found is the session that was meant, or none.
type ref struct {
	slot int32
	age  int32
}

func (s *session) ref() ref { return ref{s.slot, s.age} }

// find returns the session that r names, nil where the loop has it no more.
func (l *loop) find(r ref) *session {
	if r.slot < 0 || int(r.slot) >= len(l.slots) || l.slots[r.slot].age != r.age {
		return nil
	}
	return l.slots[r.slot].session
}

// misdirected is called where something was about to be done to a socket or a session that is not the one it was meant
// for. Nothing is done then: the fault is counted and logged, and s, where there is one, is reset.
func (l *loop) misdirected(what string, s *session) {
	l.stats.misdirected.Add(1)
	l.server.log().Error("a session was reset because of a bug", "bug", what)
	if s != nil {
		s.finish(InternalBug)
	}
}
