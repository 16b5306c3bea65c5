package pool

import (
	"fmt"
	"strconv"
)

// MaxWeight is the largest Weight.
const MaxWeight Weight = 1000

// A Weight is a backend's share of the sessions compared with the others: one of weight 3 gets three times as many as
// one of weight 1. It is from 1 to MaxWeight.
type Weight uint16

// String returns the number.
func (w Weight) String() string { return strconv.Itoa(int(w)) }

// MarshalText returns the number.
func (w Weight) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads a number from 1 to MaxWeight.
func (w *Weight) UnmarshalText(text []byte) error {
	n, err := wholeNumber(string(text), int(MaxWeight))
	switch {
	case err != nil:
		return fmt.Errorf("%q is no weight: a whole number from 1 to %d is right", text, MaxWeight)
	case n == 0:
		return fmt.Errorf("weight 0 would give the backend no session: 1 to %d is right, or leave the backend out",
			MaxWeight)
	}
	*w = Weight(n)
	return nil
}

// wholeNumber reads a number of decimal digits alone, of at most limit.
func wholeNumber(s string, limit int) (int, error) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, strconv.ErrSyntax
		}
	}
	n, err := strconv.Atoi(s)
	if err == nil && n > limit {
		return 0, strconv.ErrRange
	}
	return n, err
}
