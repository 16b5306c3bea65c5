package pool

import "fmt"

// WhenAllDown says what becomes of sessions while no backend is up.
type WhenAllDown uint8

// The choices. A check can be wrong, and a backend that is not there refuses by itself, so trying is the default.
const (
	TryDown    WhenAllDown = iota // they go to those that were found down, as if they were up
	RefuseDown                    // Pick fails with ErrNone. Backends that are merely ejected are tried all the same
)

var whenAllDownNames = []string{TryDown: "try", RefuseDown: "refuse"}

// String returns the choice as the operator writes it.
func (w WhenAllDown) String() string {
	if int(w) < len(whenAllDownNames) {
		return whenAllDownNames[w]
	}
	return fmt.Sprintf("when-all-down(%d)", uint8(w))
}

// MarshalText returns what String returns.
func (w WhenAllDown) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads what String writes.
func (w *WhenAllDown) UnmarshalText(text []byte) error {
	for i, name := range whenAllDownNames {
		if string(text) == name {
			*w = WhenAllDown(i)
			return nil
		}
	}
	return fmt.Errorf("%q is neither try nor refuse", text)
}

// A standing is what a backend's three kinds of state come to for picking: its State while it is configured and not
// draining. They are in the order in which they are turned to.
type standing uint8

const (
	standingUp standing = iota
	standingEjected
	standingDown
	standingUnproven // down at first, and no witness has spoken yet: not tried, whatever the others are
	standingDraining
	standingRemoved
	standingCount
)

// standingNow is b's standing by what is known now.
func (b *Backend) standingNow() standing {
	switch {
	case b.tier == nil:
		return standingRemoved
	case b.draining.Load():
		return standingDraining
	case b.accusers == 1<<Start:
		return standingUnproven
	}
	return standing(b.State())
}

// A census counts backends by their standing.
type census [standingCount]int

// configured counts those that are configured and do not drain.
func (c *census) configured() int {
	return c[standingUp] + c[standingEjected] + c[standingDown] + c[standingUnproven]
}

// takeCensusLocked brings the count, and the list of those ejected, in line with b.
func (p *Pool) takeCensusLocked(b *Backend) {
	p.census[b.standing]--
	b.standing = b.standingNow()
	p.census[b.standing]++
	switch ejected := b.standing == standingEjected; {
	case ejected && !b.held.linked:
		p.held.push(&b.held)
	case !ejected && b.held.linked:
		p.held.remove(&b.held)
	}
}

// gateNow is the worst standing that serves now: up, as a rule; worse while none is up, or too few are (Options.Panic).
func (p *Pool) gateNow() standing {
	up, all := p.census[standingUp], p.census.configured()
	switch {
	case float64(up) < p.options.Panic*float64(all):
		return standingDown
	case up > 0:
		return standingUp
	case p.options.WhenAllDown == RefuseDown:
		return standingEjected
	}
	return standingDown
}

// admitLocked lets b serve or not, after its standing changed, and if that opened or closed the gate, all others.
func (p *Pool) admitLocked(b *Backend) {
	if gate := p.gateNow(); gate != p.gate {
		p.gate = gate
		for _, m := range *p.members.Load() {
			p.passLocked(m.Backend)
		}
	}
	p.passLocked(b)
}

// passLocked lets b serve if its standing passes the gate, and not else.
func (p *Pool) passLocked(b *Backend) {
	if b.tier == nil {
		return
	}
	if passes := b.standing <= p.gate; passes && !b.serving {
		b.tier.enlist(b)
	} else if !passes && b.serving {
		b.tier.dismiss(b)
	}
}
