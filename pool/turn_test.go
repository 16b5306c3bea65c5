package pool

import "testing"

// A backend that has been away gets the first of its turns that is not past, for all pairs of small weights.
func TestTurnSince(t *testing.T) {
	for of := 1; of <= 12; of++ {
		for weight := 1; weight <= 12; weight++ {
			for now := (turn{round: 3, of: of}); now.round == 3; now = now.following() {
				want := turn{round: 3, of: weight}
				for want.before(now) {
					want = want.following()
				}
				if got := (turn{of: weight}).since(now, weight); got != want {
					t.Fatalf("weight %d since %+v: got %+v, want %+v", weight, now, got, want)
				}
			}
		}
	}
}

func TestTurnThatIsToComeStays(t *testing.T) {
	now := turn{round: 3, step: 1, of: 4}
	later := turn{round: 4, step: 0, of: 2}
	if got := later.since(now, 2); got != later {
		t.Errorf("got %+v, want %+v", got, later)
	}
	if got, want := later.since(now, 3), (turn{round: 3, step: 1, of: 3}); got != want {
		t.Errorf("with another weight: got %+v, want %+v", got, want)
	}
}
