package pool

import "fmt"

// WhenAllDown says what happens to sessions while no backend is up.
type WhenAllDown uint8

// The choices. TryDown is the default: a check can be wrong, and a backend that is gone refuses by itself.
const (
	TryDown    WhenAllDown = iota // they go to the backends that were found down, as if these were up
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

// A standing is what picking needs to know of a backend's three kinds of state: its State while it is configured and
// does not drain, else why it gets no sessions. A lower one is used before a higher one.
type standing uint8

const (
	standingUp standing = iota
	standingEjected
	standingDown
	standingUnproven // down from the start, and no witness has spoken yet: not even tried where all others are down
	standingDraining
	standingRemoved
	standingCount
)

// standingNow returns b's standing, as b's fields say it now. b.standing may be older.
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

// takeCensusLocked updates b's standing, the census and the list of ejected backends.
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

// gateNow returns the worst standing that may serve now. It is up as a rule, and worse while none or too few are up
// (Options.Panic).
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

// admitLocked lets b serve or not, after its standing has changed. If the gate changes by that, it does the same for
// all other backends.
func (p *Pool) admitLocked(b *Backend) {
	if gate := p.gateNow(); gate != p.gate {
		p.gate = gate
		for _, m := range *p.members.Load() {
			p.passLocked(m.Backend)
		}
	}
	p.passLocked(b)
}

// passLocked lets b serve if its standing passes the gate, and stops it from serving if not.
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
