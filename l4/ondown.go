package l4

import (
	"context"
	"fmt"
	"time"

	"forebay/pool"
)

// OnDown says what becomes of the sessions of a backend when a witness finds it down. A backend that is merely ejected
// keeps its sessions in any case.
type OnDown uint8

// The choices. A check can be wrong while sessions are well, so keeping them is the default.
const (
	KeepSessions OnDown = iota // they go on
	// DrainSessions concludes them within half a minute, idle ones first. What is left after a minute is reset.
	DrainSessions
	ResetSessions // they are reset at once
)

var onDownNames = []string{KeepSessions: "keep", DrainSessions: "drain", ResetSessions: "reset"}

// String returns the choice as the operator writes it.
func (o OnDown) String() string {
	if int(o) < len(onDownNames) {
		return onDownNames[o]
	}
	return fmt.Sprintf("on-down(%d)", uint8(o))
}

// MarshalText returns what String returns.
func (o OnDown) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what String writes.
func (o *OnDown) UnmarshalText(text []byte) error {
	for i, name := range onDownNames {
		if string(text) == name {
			*o = OnDown(i)
			return nil
		}
	}
	return fmt.Errorf("%q is none of keep, drain and reset", text)
}

// downDrain is how the sessions of a backend that went down are drained.
func downDrain(b *pool.Backend) Drain {
	return Drain{Backend: b, Idle: time.Second, Spread: 30 * time.Second, Deadline: time.Minute}
}

// followDown applies OnDown to the sessions of every backend.
func (s *Server) followDown() {
	if s.OnDown == KeepSessions {
		return
	}
	for p := range s.pools() {
		p.Watch(s.wentDown)
	}
}

// wentDown is called with each change of a backend's state, and waits for nothing.
func (s *Server) wentDown(b *pool.Backend, t pool.Transition) {
	switch {
	case t.To != pool.Down:
	case s.OnDown == ResetSessions:
		s.aside(func() { s.Reset(b, BackendDown) })
	case s.OnDown == DrainSessions:
		s.aside(func() { s.drainDown(b) })
	}
}

// drainDown drains b for as long as it is down. Sessions that it was given although it was down, as all are, stay.
func (s *Server) drainDown(b *pool.Backend) { s.downDrainage(downDrain(b)).run(context.Background()) }

func (s *Server) downDrainage(d Drain) drainage {
	before := s.clock()
	return drainage{
		Drain: d, herd: s, quit: s.quit, cut: BackendDown,
		of:   func(x *session) bool { return x.lease.Backend() == d.Backend && x.tried <= before },
		left: func(r roll) int { return r.found },
		off:  func() bool { return d.Backend.State() != pool.Down },
	}
}

// aside runs f on a goroutine of its own, unless the server stops. Serve waits for it. f must return when quit is
// closed.
func (s *Server) aside(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping && len(s.loops) > 0 { // a running loop keeps the group from being waited for before this
		s.group.Go(f)
	}
}

// pools returns the pools that sessions go to.
func (s *Server) pools() map[*pool.Pool]bool {
	all := map[*pool.Pool]bool{}
	add := func(r *Route) {
		if r != nil && r.Pool != nil {
			all[r.Pool] = true
		}
	}
	add(&s.Route)
	if s.Routes != nil {
		for _, r := range s.Routes.Protocols {
			add(r)
		}
		for r := range s.Routes.Names.Values() {
			add(r)
		}
	}
	return all
}
