package pool

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestWhenAllAreDown(t *testing.T) {
	for _, test := range []struct {
		do   WhenAllDown
		want string
	}{{TryDown, "abab"}, {RefuseDown, ""}} {
		p := ejecting(t, Options{WhenAllDown: test.do}, equal(2))
		for _, b := range p.Backends() {
			b.Judge(Down, byCheck("refused"))
		}
		if test.want == "" {
			wantErr(t, p, &Request{}, ErrNone)
			continue
		}
		if got := picks(t, p, 4); got != test.want {
			t.Errorf("%v: got %s, want %s", test.do, got, test.want)
		}
		backend(t, p, "b").Judge(Up, byCheck("connected"))
		if got := picks(t, p, 4); got != "bbbb" {
			t.Errorf("%v: with b up: got %s, want bbbb", test.do, got)
		}
	}
}

// To be ejected is to be doubted, not known to be down: such backends are better than none, and the policy goes for
// them, too.
func TestRefusingStillTriesTheEjected(t *testing.T) {
	p := ejecting(t, Options{Policy: First, WhenAllDown: RefuseDown}, equal(5))
	for _, b := range named(p, "ab") {
		fail(b, 5, Refused)
	}
	for _, b := range named(p, "cde") {
		b.Judge(Down, byCheck("refused"))
	}
	if got := picks(t, p, 3); got != "aaa" {
		t.Errorf("got %s, want aaa", got)
	}
	for _, b := range named(p, "ab") {
		b.Judge(Down, byCheck("refused"))
	}
	wantErr(t, p, &Request{}, ErrNone)
}

func TestCount(t *testing.T) {
	p := ejecting(t, Options{}, equal(5))
	fail(backend(t, p, "a"), 5, Refused)
	backend(t, p, "b").Judge(Down, byCheck("refused"))
	backend(t, p, "c").Drain()
	if up, all := p.Count(); up != 2 || all != 4 {
		t.Errorf("got %d of %d, want 2 of 4", up, all)
	}
}

func TestBackupsServeWhenAllPrimariesAreDown(t *testing.T) {
	for _, policy := range Policies() {
		backends := equal(4)
		backends[2].Backup, backends[3].Backup = true, true
		p := newPool(t, Options{Policy: policy, Queue: 1}, backends)
		backend(t, p, "a").Judge(Down, byCheck("refused"))
		if got := picks(t, p, 3); got != "bbb" {
			t.Errorf("%v: got %s, want bbb", policy, got)
		}
		backend(t, p, "b").Judge(Down, byCheck("refused"))
		if got := picks(t, p, 8); strings.ContainsAny(got, "ab") {
			t.Errorf("%v: got %s, want only c and d", policy, got)
		}
		backend(t, p, "a").Judge(Up, byCheck("connected"))
		if got := picks(t, p, 3); got != "aaa" {
			t.Errorf("%v: got %s, want aaa", policy, got)
		}
	}
}

func TestPanic(t *testing.T) {
	p := newPool(t, Options{Panic: 0.5}, equal(4))
	for i, want := range [][]int{{0, 4, 4, 4}, {0, 0, 6, 6}, {3, 3, 3, 3}} {
		p.Backends()[i].Judge(Down, byCheck("refused"))
		if got := count(picks(t, p, 12), 4); !slices.Equal(got, want) {
			t.Errorf("with %d of 4 down: got %v of 12 sessions, want %v", i+1, got, want)
		}
	}
	p.Backends()[0].Judge(Up, byCheck("connected"))
	if got := count(picks(t, p, 6), 4); !slices.Equal(got, []int{3, 0, 0, 3}) {
		t.Errorf("with half up again: got %v, want only a and d", got)
	}
	_, err := New(Options{Panic: 0.5, WhenAllDown: RefuseDown}, nil)
	if err == nil || !strings.Contains(err.Error(), "one of the two is right") {
		t.Errorf("panic and refuse together: got %v", err)
	}
}

// What has not been seen yet is not tried, though no backend is up; what was found down is.
func TestUnprovenBackendsAreNotTried(t *testing.T) {
	p := newPool(t, Options{Initial: Down, WhenAllDown: TryDown, Queue: 9}, limited(2))
	wantErr(t, p, &Request{}, ErrNone)
	told := newDiary(p)
	backend(t, p, "a").Judge(Down, byCheck("refused"))
	told.want(t)
	if got := picks(t, p, 2); got != "aa" {
		t.Errorf("with a found down: got %s, want aa", got)
	}
	pick(t, p)
	line := newLine(t, p)
	line.wait("first")
	line.want()
	backend(t, p, "b").Judge(Down, byCheck("refused"))
	line.want("first")
}

func TestBackendsMayBeDownAtFirst(t *testing.T) {
	p := newPool(t, Options{Initial: Down, WhenAllDown: RefuseDown}, equal(2))
	wantErr(t, p, &Request{}, ErrNone)
	backend(t, p, "b").Judge(Up, byCheck("connected"))
	if got := picks(t, p, 2); got != "bb" {
		t.Errorf("got %s, want bb", got)
	}
	backend(t, p, "a").Judge(Down, byCheck("refused"))
	if s := p.Snapshot().Backends; s[0].State != Down || s[1].State != Up || len(s[0].History) != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestDrainingServesTheQueue(t *testing.T) {
	backends := limited(3)
	backends[2].Backup = true
	p := newPool(t, Options{Queue: 9}, backends)
	backend(t, p, "b").Drain()
	pick(t, p)
	line := newLine(t, p)
	for _, name := range []string{"first", "second", "third"} {
		line.wait(name)
	}
	line.want()
	backend(t, p, "b").Resume()
	line.want("first")
	backend(t, p, "a").Drain()
	backend(t, p, "b").Drain()
	line.want("first", "second")
}

func TestWhenAllDownReadsWhatItWrites(t *testing.T) {
	for _, w := range []WhenAllDown{TryDown, RefuseDown} {
		var got WhenAllDown
		text, _ := w.MarshalText()
		if err := got.UnmarshalText(text); err != nil || got != w {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	var w WhenAllDown
	if err := w.UnmarshalText([]byte("panic")); err == nil || err.Error() != `"panic" is neither try nor refuse` {
		t.Errorf("got %v", err)
	}
}

func TestDraining(t *testing.T) {
	for _, policy := range Policies() {
		p := newPool(t, Options{Policy: policy, WhenAllDown: TryDown}, equal(2))
		a, b := backend(t, p, "a"), backend(t, p, "b")
		held := pick(t, p, b)
		a.Drain()
		if got := picks(t, p, 4); got != "bbbb" {
			t.Errorf("%v: while a drains: got %s, want bbbb", policy, got)
		}
		a.Judge(Down, byCheck("refused"))
		a.Judge(Up, byCheck("connected"))
		b.Judge(Down, byCheck("refused"))
		if got := picks(t, p, 2); got != "bb" {
			t.Errorf("%v: b is down, but the operator wants no session on a: got %s", policy, got)
		}
		b.Drain()
		if _, err := p.Pick(&Request{}); !errors.Is(err, ErrNone) {
			t.Errorf("%v: all drain: got %v, want %v", policy, err, ErrNone)
		}
		if s := p.Snapshot().Backends[0]; !s.Draining || s.Removed || s.State != Up || s.Active != 1 {
			t.Errorf("%v: got %+v, want a to drain with its session, up", policy, s)
		}
		a.Resume()
		if got := picks(t, p, 2); got != "aa" || a.Draining() {
			t.Errorf("%v: after Resume: got %s, want aa", policy, got)
		}
		held.Done(Served)
	}
}
