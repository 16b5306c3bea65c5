package pool

import "time"

// A Snapshot is the state of a Pool at one moment. The caller may keep it. Each count is exact, and the one that the
// policy uses, but not all are read at the very same instant.
type Snapshot struct {
	Policy   Policy
	Waiting  int               // clients in the queue now
	Waited   uint64            // clients that were ever put there
	Left     uint64            // of these, those that gave up
	Shed     uint64            // clients that found the queue full
	Backends []BackendSnapshot // in the order of the configuration, then the removed ones that still have sessions
}

// A BackendSnapshot is one backend in a Snapshot.
type BackendSnapshot struct {
	Name          string
	Addrs         []Address // must not be changed
	Weight        Weight
	MaxConns      int // 0: no limit
	Backup        bool
	Removed       bool // from the configuration: it is forgotten when its last session has ended
	Draining      bool // the operator has it drain: it gets no more sessions
	State         State
	Share         float64      // the part of its weight that counts: 1, or less while it starts slowly
	History       []Transition // of its state, the oldest first; must not be changed
	Active        int          // sessions now, with those that are connecting
	Picks         uint64
	Outcomes      Outcomes
	ConnectTime   time.Duration // smoothed; 0: not measured yet
	FirstByteTime time.Duration // smoothed; 0: not measured yet
}

// Outcomes counts ended leases by their Outcome, which is the index.
type Outcomes [outcomeCount]uint64

// Snapshot reads p without taking its mutex.
func (p *Pool) Snapshot() Snapshot {
	members := *p.members.Load()
	s := Snapshot{
		Policy:   p.options.Policy,
		Waiting:  int(p.counts.waiting.Load()),
		Waited:   p.counts.waited.Load(),
		Left:     p.counts.left.Load(),
		Shed:     p.counts.shed.Load(),
		Backends: make([]BackendSnapshot, len(members)),
	}
	for i, m := range members {
		s.Backends[i] = m.snapshot()
	}
	return s
}

func (m member) snapshot() BackendSnapshot {
	s := BackendSnapshot{
		Name:          m.name,
		Addrs:         m.addrs,
		Weight:        m.config.Weight,
		MaxConns:      m.config.MaxConns,
		Backup:        m.config.Backup,
		Removed:       m.removed,
		Draining:      m.Draining(),
		State:         m.State(),
		Share:         float64(m.step.Load()) / rampSteps,
		History:       m.History(),
		Active:        m.sessions(),
		Picks:         m.picks.Load(),
		ConnectTime:   m.connect.duration(),
		FirstByteTime: m.firstByte.duration(),
	}
	for i := range s.Outcomes {
		s.Outcomes[i] = m.outcomes[i].Load()
	}
	return s
}
