package pool

import (
	"errors"
	"testing"
)

// Two primaries and two backups, each of which takes one session: which backends serve, in order, and which error comes
// then.
func TestTiers(t *testing.T) {
	for _, test := range []struct {
		name  string
		queue int
		tried string // by the request that is repeated
		want  string
		err   error
	}{
		{"full primaries make clients wait", 1, "", "ab", ErrFull},
		{"where nobody may wait, backups take what does not fit", 0, "", "abcd", ErrFull},
		{"a full primary is still worth waiting for", 1, "a", "b", ErrFull},
		{"backups stand in when every primary was tried", 1, "ab", "cd", ErrFull},
		{"as for the last of them", 1, "abc", "d", ErrFull},
		{"all were tried", 1, "abcd", "", ErrNone},
		{"one twice does not count twice", 1, "aa", "b", ErrFull},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, policy := range Policies() {
				backends := equal(4)
				for i := range backends {
					backends[i].MaxConns, backends[i].Backup = 1, i >= 2
				}
				p := newPool(t, Options{Policy: policy, Queue: test.queue}, backends)
				r := &Request{Source: client(1), Tried: named(p, test.tried)}
				wantServed(t, p, r, len(test.want), test.want)
				wantErr(t, p, r, test.err)
			}
		})
	}
}

// named returns the backends of p that have the letters as names.
func named(p *Pool, letters string) []*Backend {
	var found []*Backend
	for _, letter := range letters {
		for _, m := range *p.members.Load() {
			if m.name == string(letter) {
				found = append(found, m.Backend)
			}
		}
	}
	return found
}

// wantServed makes n sessions that stay, and wants them on the backends named, each as often as it is named, in any
// order within a tier.
func wantServed(t *testing.T, p *Pool, r *Request, n int, want string) {
	t.Helper()
	var got string
	for range n {
		l, err := p.Pick(r)
		if err != nil {
			t.Fatalf("%v: after %q: %v", p.options.Policy, got, err)
		}
		got += l.Backend().Name()
	}
	for i, c := range count(want, 4) {
		if count(got, 4)[i] != c {
			t.Fatalf("%v: got %s, want %s", p.options.Policy, got, want)
		}
	}
	if len(got) == 4 && (got[0] > 'b' || got[1] > 'b') {
		t.Errorf("%v: got %s: a backup before a primary", p.options.Policy, got)
	}
}

func TestEmptyPool(t *testing.T) {
	for _, policy := range Policies() {
		p := newPool(t, Options{Policy: policy, Queue: 1}, nil)
		wantErr(t, p, &Request{Source: client(1)}, ErrNone)
		if _, err := p.Wait(&Request{}, nil); !errors.Is(err, ErrNone) {
			t.Errorf("%v: Wait: got %v, want %v", policy, err, ErrNone)
		}
	}
}

func TestNoBackendIsPickedTwiceForOneSession(t *testing.T) {
	for _, policy := range Policies() {
		p := newPool(t, Options{Policy: policy}, configs(1, 2, 3, 4, 5, 6, 7))
		r := &Request{Source: client(1)}
		for range 7 {
			l, err := p.Pick(r)
			if err != nil {
				t.Fatalf("%v: after %v: %v", policy, r.Tried, err)
			}
			if r.tried(l.Backend()) {
				t.Fatalf("%v: picked %s after %v", policy, l.Backend(), r.Tried)
			}
			r.Tried = append(r.Tried, l.Backend())
			l.Done(Refused)
		}
		wantErr(t, p, r, ErrNone)
	}
}

func TestMaxConnsHolds(t *testing.T) {
	for _, policy := range Policies() {
		backends := equal(3)
		for i := range backends {
			backends[i].MaxConns = i + 1
		}
		p := newPool(t, Options{Policy: policy}, backends)
		_, leases := open(t, p, 6)
		wantErr(t, p, &Request{}, ErrFull)
		leases[3].Done(Served)
		if l := pick(t, p); l.Backend() != leases[3].Backend() {
			t.Errorf("%v: got %s, want %s, which has room", policy, l.Backend(), leases[3].Backend())
		}
	}
}

func TestLeaseEndsOnce(t *testing.T) {
	p := newPool(t, Options{}, equal(1))
	l, other := pick(t, p), pick(t, p)
	l.Done(Died)
	l.Done(Served)
	l.Connected(1)
	got := p.Snapshot().Backends[0]
	if got.Active != 1 || got.Outcomes != (Outcomes{Died: 1}) || got.ConnectTime != 0 {
		t.Errorf("after Done twice: %d sessions, outcomes %v, want 1 and one died", got.Active, got.Outcomes)
	}
	if l.Backend() == nil || other.Backend() != l.Backend() {
		t.Errorf("Done took the backend from the lease")
	}
	var none Lease
	none.Connected(1)
	none.FirstByte(1)
	none.Done(Served)
	if none.Backend() != nil {
		t.Error("the zero Lease has a backend")
	}
}

func TestSnapshotShowsWhatHappened(t *testing.T) {
	backends := configs(3, 1)
	backends[1].Backup, backends[1].MaxConns = true, 7
	p := newPool(t, Options{Policy: LeastConn}, backends)
	l := pick(t, p)
	l.Connected(8000)
	l.FirstByte(100)
	l.Done(Served)
	l = pick(t, p)
	l.Connected(16000)
	s := p.Snapshot()
	a, b := s.Backends[0], s.Backends[1]
	if s.Policy != LeastConn || a.Name != "a" || a.Weight != 3 || a.Active != 1 || a.Picks != 2 || a.Outcomes[Served] != 1 ||
		a.ConnectTime != 9000 || a.FirstByteTime != 100 {
		t.Errorf("got %+v", a)
	}
	if !b.Backup || b.MaxConns != 7 || b.Picks != 0 || b.Removed {
		t.Errorf("got %+v", b)
	}
}

func TestPreferred(t *testing.T) {
	b := pick(t, newPool(t, Options{}, equal(1))).Backend()
	if b.Preferred() != 0 {
		t.Errorf("at first: got %d, want 0", b.Preferred())
	}
	b.Prefer(1)
	if b.Preferred() != 1 {
		t.Errorf("got %d, want 1", b.Preferred())
	}
}
