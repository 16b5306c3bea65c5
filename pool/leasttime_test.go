package pool

import (
	"testing"
	"time"
)

// connected makes one session on whichever backend is picked, that takes as long to connect as its name says.
func connected(t testing.TB, p *Pool, times map[string]time.Duration) string {
	l := pick(t, p)
	l.Connected(times[l.Backend().Name()])
	l.Done(Served)
	return l.Backend().Name()
}

func connectedNames(t testing.TB, p *Pool, n int, times map[string]time.Duration) (names string) {
	for range n {
		names += connected(t, p, times)
	}
	return names
}

var threeTimes = map[string]time.Duration{"a": 30 * time.Millisecond, "b": 10 * time.Millisecond, "c": 20 * time.Millisecond}

func TestLeastTimeMeasuresAllThenTakesTheQuickest(t *testing.T) {
	p := newPool(t, Options{Policy: LeastTime}, equal(3))
	if got, want := connectedNames(t, p, 10, threeTimes), "abcbbbbbbb"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Eleven sessions are even at 60 ms and a little more: six times 10, three times 20, twice 30.
func TestLeastTimeCountsSessions(t *testing.T) {
	p := newPool(t, Options{Policy: LeastTime}, equal(3))
	connectedNames(t, p, 3, threeTimes)
	open(t, p, 11)
	for i, want := range []int{2, 6, 3} {
		if got := p.Snapshot().Backends[i].Active; got != want {
			t.Errorf("backend %d: got %d sessions, want %d", i, got, want)
		}
	}
}

func TestLeastTimeForgetsOldMeasurements(t *testing.T) {
	p := newPool(t, Options{Policy: LeastTime}, equal(2))
	slow := map[string]time.Duration{"a": time.Millisecond, "b": time.Second}
	connectedNames(t, p, 2, slow)
	counts := count(connectedNames(t, p, 320, slow), 2)
	if counts[1] != 10 {
		t.Errorf("the slow backend got %d of 320 sessions, want every 32nd", counts[1])
	}
	quick := map[string]time.Duration{"a": time.Millisecond, "b": time.Microsecond}
	connectedNames(t, p, 3200, quick)
	if n := count(connectedNames(t, p, 320, quick), 2)[1]; n != 310 {
		t.Errorf("a backend that became quick got %d of 320 sessions, want all but every 32nd", n)
	}
}

func TestLeastTimeSendsOneSessionIntoTheUnknown(t *testing.T) {
	p := newPool(t, Options{Policy: LeastTime}, equal(1))
	connectedNames(t, p, 1, threeTimes)
	update(t, p, equal(2))
	if names, _ := open(t, p, 5); names != "baaaa" {
		t.Errorf("while the first session to b connects: got %s, want baaaa", names)
	}
}

func TestLeastTimeStandsBackFromAFailure(t *testing.T) {
	p := newPool(t, Options{Policy: LeastTime}, equal(2))
	connectedNames(t, p, 2, map[string]time.Duration{"a": time.Millisecond, "b": 2 * time.Millisecond})
	l := pick(t, p)
	l.Done(Refused)
	if names := picks(t, p, 5); names != "bbbbb" {
		t.Errorf("after a refused: got %s, want bbbbb", names)
	}
}

func TestLeastTimeComesBackToWhatWorksAgain(t *testing.T) {
	p := newPool(t, Options{Policy: LeastTime}, equal(2))
	times := map[string]time.Duration{"a": time.Millisecond, "b": 2 * time.Millisecond}
	connectedNames(t, p, 2, times)
	l := pick(t, p)
	l.Done(TimedOut)
	connectedNames(t, p, refreshEvery, times)
	if names := connectedNames(t, p, 5, times); names != "aaaaa" {
		t.Errorf("after a refresh found a well: got %s, want aaaaa", names)
	}
}

// A backend that has served all the while, though it was called down, is ranked by what it is known for when it is up.
func TestLeastTimeForgetsTheFailureOfWhatIsUpAgain(t *testing.T) {
	p := newPool(t, Options{Policy: LeastTime, Panic: 1}, equal(2))
	connectedNames(t, p, 2, map[string]time.Duration{"a": time.Millisecond, "b": 2 * time.Millisecond})
	l := pick(t, p)
	l.Done(Refused)
	a := backend(t, p, "a")
	a.Judge(Down, byCheck("refused"))
	if names := picks(t, p, 3); names != "bbb" {
		t.Errorf("after a refused: got %s, want bbb", names)
	}
	a.Judge(Up, byCheck("connected"))
	if names := picks(t, p, 3); names != "aaa" {
		t.Errorf("with a up again: got %s, want aaa", names)
	}
}

func TestLeastTimeKeepsEqualsEvenUnderConcurrency(t *testing.T) {
	p := newPool(t, Options{Policy: LeastTime}, equal(4))
	connectedNames(t, p, 4, nil)
	holdMany(t, p, 8, 1000)
	for _, b := range p.Snapshot().Backends {
		if b.Active < 1998 || b.Active > 2002 { // a refresh may just have put one on top
			t.Errorf("%s: got %d sessions, want 2000 ± 2", b.Name, b.Active)
		}
	}
}
