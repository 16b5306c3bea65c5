package pool

// A turn is when a backend is due next, in virtual time. One round of that time has as many turns as the sum of all
// weights. A backend of weight w is due at (2k+1)/2w of each round, for k from 0 to w-1, which spreads its turns
// evenly. These moments never change. So with the turns served in order, every backend gets exactly its weight in any
// run of as many picks as the sum of the weights. Fractions are compared by multiplying across, which is exact and
// never overflows.
type turn struct {
	round uint64
	step  int // k
	of    int // w
}

// before reports whether t comes before u. The zero turn is before all others.
func (t turn) before(u turn) bool {
	if t.round != u.round || t.of == 0 || u.of == 0 {
		return t.round < u.round || t.round == u.round && t.of < u.of
	}
	return (2*t.step+1)*u.of < (2*u.step+1)*t.of
}

// following returns the same backend's turn after t.
func (t turn) following() turn {
	t.step++
	if t.step == t.of {
		t.round, t.step = t.round+1, 0
	}
	return t
}

// after returns the same backend's turn n turns after t.
func (t turn) after(n int) turn {
	t.step += n
	t.round, t.step = t.round+uint64(t.step/t.of), t.step%t.of
	return t
}

// since returns t if it is not before now, else the first turn at now or later of a backend of that weight. A backend
// that was away gets no extra turns for those it missed.
func (t turn) since(now turn, weight int) turn {
	if t.of == weight && !t.before(now) {
		return t
	}
	next := turn{round: now.round, of: weight}
	if now.of == 0 {
		return next
	}
	// (2k+1)/2w >= (2n+1)/2m, so k >= ((2n+1)w - m) / 2m, rounded up.
	if missed := (2*now.step+1)*weight - now.of; missed > 0 {
		next.step = (missed + 2*now.of - 1) / (2 * now.of)
	}
	if next.step == weight {
		next.round, next.step = next.round+1, 0
	}
	return next
}
