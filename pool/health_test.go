package pool

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A diary is what a watcher of a pool was told, in lines such as "5s a up→ejected until 10s: 5 connections ...".
type diary struct {
	began time.Time
	lines []string
}

func newDiary(p *Pool) *diary {
	d := &diary{began: time.Now()}
	p.Watch(func(b *Backend, t Transition) {
		line := fmt.Sprintf("%v %s %v→%v", t.At.Sub(d.began), b, t.From, t.To)
		if !t.Until.IsZero() {
			line += fmt.Sprintf(" until %v", t.Until.Sub(d.began))
		}
		d.lines = append(d.lines, fmt.Sprintf("%s by %v: %s", line, t.Witness, t.Reason))
	})
	return d
}

// want fails the test unless the lines are those since the last call.
func (d *diary) want(t testing.TB, lines ...string) {
	t.Helper()
	if !slices.Equal(d.lines, lines) {
		t.Fatalf("got:\n%s\nwant:\n%s", strings.Join(d.lines, "\n"), strings.Join(lines, "\n"))
	}
	d.lines = nil
}

func byCheck(reason string) Evidence { return Evidence{Witness: Check, Reason: reason} }

// backend returns the backend of p that has the name, or fails the test.
func backend(t testing.TB, p *Pool, name string) *Backend {
	t.Helper()
	b := p.Backend(name)
	if b == nil {
		t.Fatalf("there is no backend %s", name)
	}
	return b
}

func TestBackendThatIsDownIsNotPicked(t *testing.T) {
	for _, policy := range Policies() {
		p := newPool(t, Options{Policy: policy}, equal(3))
		b := backend(t, p, "b")
		b.Judge(Down, byCheck("refused"))
		if names := picks(t, p, 30); strings.Contains(names, "b") {
			t.Errorf("%v: while b is down: got %s", policy, names)
		}
		b.Judge(Up, byCheck("connected"))
		l := pick(t, p, named(p, "ac")...)
		if l.Backend() != b {
			t.Errorf("%v: b is up again, and got %s", policy, l.Backend())
		}
	}
}

func TestJudgingTellsAndRecords(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := newPool(t, Options{}, equal(2))
		told := newDiary(p)
		a := backend(t, p, "a")
		time.Sleep(time.Second)
		a.Judge(Up, byCheck("well"))
		a.Judge(Down, Evidence{Witness: Check, Reason: "refused", Took: 7, Transcript: "> ping"})
		a.Judge(Down, byCheck("refused again"))
		time.Sleep(time.Second)
		a.Judge(Up, byCheck("connected"))
		told.want(t, "1s a up→down by check: refused", "2s a down→up by check: connected")
		got := p.Snapshot().Backends[0]
		want := Transition{At: told.began.Add(time.Second), From: Up, To: Down, Evidence: Evidence{Witness: Check, Reason: "refused", Took: 7, Transcript: "> ping"}}
		if got.State != Up || len(got.History) != 2 || got.History[0] != want {
			t.Errorf("got state %v, history %+v, want up and first %+v", got.State, got.History, want)
		}
	})
}

// Each witness takes back its own word alone.
func TestDownWhileAnyWitnessSaysSo(t *testing.T) {
	p := newPool(t, Options{}, equal(2))
	a := backend(t, p, "a")
	listener := Evidence{Witness: Listener, Reason: "nobody listens"}
	for i, step := range []struct {
		state State
		by    Evidence
		want  State
	}{
		{Down, byCheck("refused"), Down},
		{Down, listener, Down},
		{Up, byCheck("connected"), Down},
		{Up, listener, Up},
		{Down, listener, Down},
		{Up, byCheck("connected"), Down},
	} {
		a.Judge(step.state, step.by)
		if a.State() != step.want {
			t.Errorf("step %d: got %v, want %v", i, a.State(), step.want)
		}
	}
}

func TestHistoryKeepsTheLast(t *testing.T) {
	p := newPool(t, Options{}, equal(2))
	a := backend(t, p, "a")
	for i := range 60 {
		a.Judge([]State{Down, Up}[i%2], byCheck(fmt.Sprint(i)))
	}
	h := a.History()
	if len(h) != 50 || h[0].Reason != "10" || h[49].Reason != "59" {
		t.Errorf("got %d transitions, from %q, want 50 from 10 to 59", len(h), h[0].Reason)
	}
}

func TestStateSurvivesUpdate(t *testing.T) {
	p := newPool(t, Options{}, equal(3))
	backend(t, p, "a").Judge(Down, byCheck("refused"))
	backend(t, p, "b").Drain()
	update(t, p, configs(2, 2, 2, 2))
	if names := picks(t, p, 4); names != "cdcd" {
		t.Errorf("a is down and b drains: got %s, want cdcd", names)
	}
	backend(t, p, "a").Judge(Up, byCheck("connected"))
	backend(t, p, "b").Resume()
	if got := count(picks(t, p, 8), 4); !slices.Equal(got, []int{2, 2, 2, 2}) {
		t.Errorf("all are well: got %v, want 2 each", got)
	}
}

// A watcher may use the pool: what it brings about is told after what it was told.
func TestWatcherMayUseThePool(t *testing.T) {
	p := newPool(t, Options{}, equal(3))
	p.Watch(func(b *Backend, tr Transition) {
		if b.Name() == "a" {
			backend(t, p, "b").Judge(tr.To, byCheck("because of a"))
		}
	})
	var told []string
	p.Watch(func(b *Backend, tr Transition) { told = append(told, b.Name()+" "+tr.To.String()) })
	backend(t, p, "a").Judge(Down, byCheck("refused"))
	backend(t, p, "a").Judge(Up, byCheck("connected"))
	if want := []string{"a down", "b down", "a up", "b up"}; !slices.Equal(told, want) {
		t.Errorf("got %v, want %v", told, want)
	}
}

// However many change states at once, each transition is told once, and those of a backend in their order.
func TestWatchersAreToldInOrderUnderConcurrency(t *testing.T) {
	p := newPool(t, Options{}, equal(4))
	last := make(map[string]State)
	told := 0
	p.Watch(func(b *Backend, tr Transition) {
		if last[b.Name()] != tr.From {
			t.Errorf("%s: told %v→%v after →%v", b, tr.From, tr.To, last[b.Name()])
		}
		last[b.Name()] = tr.To
		told++
	})
	var wg sync.WaitGroup
	for _, b := range p.Backends() {
		wg.Go(func() {
			for i := range 500 {
				b.Judge([]State{Down, Up}[i%2], byCheck(""))
			}
		})
	}
	wg.Wait()
	if told != 2000 {
		t.Errorf("told %d transitions of 2000", told)
	}
}

// When the last backend with room is down, those that wait go to a backup; and to one that comes up before anybody
// else.
func TestTransitionsServeTheQueue(t *testing.T) {
	backends := limited(2)
	backends[1].Backup = true
	p := newPool(t, Options{Queue: 9}, backends)
	pick(t, p)
	line := newLine(t, p)
	line.wait("first")
	line.wait("second")
	line.want()
	backend(t, p, "a").Judge(Down, byCheck("stuck"))
	line.want("first")
	if got := line.leases["first"].Backend().Name(); got != "b" {
		t.Errorf("got %s, want the backup", got)
	}
	held := line.leases["first"]
	held.Done(Served)
	line.want("first", "second")
}

func TestBackendComesUpForTheQueue(t *testing.T) {
	p := newPool(t, Options{Queue: 9}, limited(2))
	backend(t, p, "a").Judge(Down, byCheck("stuck"))
	pick(t, p)
	line := newLine(t, p)
	line.wait("first")
	line.want()
	backend(t, p, "a").Judge(Up, byCheck("well"))
	line.want("first")
}

func TestSourceBoundCountsWhoServes(t *testing.T) {
	p := newPool(t, Options{Policy: Source, LoadFactor: 1.25}, equal(4))
	for _, name := range []string{"a", "b"} {
		backend(t, p, name).Judge(Down, byCheck("refused"))
	}
	for i := range 4000 {
		if _, err := p.Pick(&Request{Source: client(i)}); err != nil {
			t.Fatal(err)
		}
	}
	moved := 0
	for i := range 100 {
		r := &Request{Source: client(i)}
		l, _ := p.Pick(r)
		again, _ := p.Pick(r)
		if l.Backend() != again.Backend() {
			moved++
		}
		l.Done(Served)
		again.Done(Served)
	}
	if moved > 10 {
		t.Errorf("with half of the pool down, %d of 100 clients got two backends for two sessions", moved)
	}
}
