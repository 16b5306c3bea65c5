package certs

import (
	"context"
	"crypto/tls"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"forebay/l4/l4test"
)

// A diary keeps what is reported.
type diary struct{ events []Event }

func (d *diary) add(e Event) { d.events = append(d.events, e) }

// take returns the kinds of what has been reported since it was last called.
func (d *diary) take() (kinds []Kind) {
	for _, e := range d.events {
		kinds = append(kinds, e.Kind)
	}
	d.events = nil
	return kinds
}

func (d *diary) expect(t *testing.T, when string, want ...Kind) {
	t.Helper()
	if got := d.take(); !slices.Equal(got, want) {
		t.Errorf("%s: reported %v, want %v", when, got, want)
	}
}

func (f folder) serial(s *Store) string {
	f.Helper()
	return served(f, s, &tls.Config{ServerName: "a.example"}).SerialNumber.Text(16)
}

func TestRenewedPairServesNewHandshakes(t *testing.T) {
	f, d := newFolder(t), new(diary)
	a := spec{names: []string{"a.example"}}
	s := f.load(Options{Report: d.add}, f.pair("a", a))
	old := f.serial(s)
	s.Check(now)
	d.expect(t, "files as they were")
	f.pair("a", a)
	s.Check(now.Add(time.Minute))
	d.expect(t, "new files", Renewed)
	got := s.Snapshot()[0]
	if serial := f.serial(s); serial == old || serial != got.Serial || !got.Loaded.Equal(now.Add(time.Minute)) {
		t.Errorf("serves %s, was %s; snapshot %+v", serial, old, got)
	}
	s.Check(now)
	d.expect(t, "files as they were, again")
}

func TestRenewedNamesAreServed(t *testing.T) {
	f := newFolder(t)
	s := f.load(Options{Strict: true}, f.pair("a", spec{names: []string{"b.example"}}))
	f.pair("a", spec{names: []string{"a.example"}})
	s.Check(now)
	f.serial(s)
	if _, err := shake(t, s, &tls.Config{ServerName: "b.example"}); !unrecognized(err) {
		t.Errorf("the name that is gone: got %v, want unrecognized name", err)
	}
}

// TestRenewedNamesAreTold has one certificate whose names change, and one that has some of them as well.
func TestRenewedNamesAreTold(t *testing.T) {
	f, d := newFolder(t), new(diary)
	s := f.load(Options{Report: d.add}, f.pair("a", spec{names: []string{"a.example", "b.example", "c.d.example"}}), f.pair("b", spec{names: []string{"b.example"}}))
	for _, c := range []struct {
		now         []string // of the first one
		names, lost []string
	}{
		{[]string{"c.d.example", "B.example", "a.example"}, nil, nil},
		{[]string{"a.example", "b.example", "c.d.example", "e.example"}, []string{"a.example", "b.example", "c.d.example", "e.example"}, nil},
		{[]string{"a.example", "*.d.example", "e.example"}, []string{"*.d.example", "a.example", "e.example"}, nil},
		{[]string{"f.example"}, []string{"f.example"}, []string{"*.d.example", "a.example", "e.example"}},
		{nil, []string{}, []string{"f.example"}},
	} {
		f.pair("a", spec{names: c.now})
		s.Check(now)
		if len(d.events) != 1 || !slices.Equal(d.events[0].Names, c.names) || !slices.Equal(d.events[0].Lost, c.lost) {
			t.Errorf("for %v: told of %+v, want names %v, lost %v", c.now, d.events, c.names, c.lost)
		}
		d.expect(t, "renewed", Renewed)
	}
	f.pair("a", spec{names: []string{"b.example"}})
	s.Check(now)
	d.expect(t, "as the other one", Renewed)
	f.pair("a", spec{names: []string{"x.example"}})
	f.pair("b", spec{names: []string{"y.example"}})
	s.Check(now)
	for _, e := range d.events {
		if !slices.Equal(e.Lost, []string{"b.example"}) {
			t.Errorf("lost by both: told of %v", e)
		}
	}
	d.expect(t, "lost by both", Renewed, Renewed)
	f.pair("a", spec{names: []string{"y.example"}})
	f.pair("b", spec{names: []string{"x.example"}})
	s.Check(now)
	for _, e := range d.events {
		if len(e.Lost) > 0 {
			t.Errorf("names that have changed places: told of %v", e)
		}
	}
}

func TestBrokenPairKeepsTheOldOne(t *testing.T) {
	f, d := newFolder(t), new(diary)
	a := spec{names: []string{"a.example"}}
	pair := f.pair("a", a)
	s := f.load(Options{Report: d.add}, pair)
	old := f.serial(s)
	good, err := os.ReadFile(pair.Certificate)
	must(t, good, err)
	for _, c := range []struct {
		name, fault string
		ruin        func()
	}{
		{"another's certificate", "is not that of the certificate", func() { cert, _ := a.encode(t); f.write("a.crt", cert) }},
		{"expired", "expired", func() { f.pair("a", spec{notAfter: now.Add(-time.Hour)}) }},
		{"gone", "no such file", func() { os.Remove(pair.Certificate) }},
		{"empty", "no certificate in it", func() { f.write("a.crt") }},
	} {
		c.ruin()
		s.Check(now)
		d.expect(t, c.name+", first look")
		for look := range 3 {
			s.Check(now)
			if look == 0 && (len(d.events) != 1 || !strings.Contains(d.events[0].String(), c.fault)) {
				t.Errorf("%s: reported %v, want one event with %q", c.name, d.events, c.fault)
			}
			d.expect(t, c.name, []Kind{Broken}[min(look, 1):]...)
		}
		if fault := s.Snapshot()[0].Fault; !strings.Contains(fault, c.fault) {
			t.Errorf("%s: the snapshot says %q, want %q", c.name, fault, c.fault)
		}
		if serial := f.serial(s); serial != old {
			t.Errorf("%s: the old certificate is not served any more", c.name)
		}
	}
	f.pair("a", a)
	s.Check(now)
	d.expect(t, "good again", Renewed)
	if s.Snapshot()[0].Fault != "" || f.serial(s) == old {
		t.Errorf("good again: %+v", s.Snapshot()[0])
	}
}

// TestHalfWrittenPairIsNotReported writes the certificate, and its key only after a look.
func TestHalfWrittenPairIsNotReported(t *testing.T) {
	f, d := newFolder(t), new(diary)
	pair := f.pair("a", spec{names: []string{"a.example"}})
	s := f.load(Options{Report: d.add}, pair)
	certificate, key := spec{names: []string{"a.example"}}.encode(t)
	f.write("a.crt", certificate)
	s.Check(now)
	f.write("a.key", key)
	s.Check(now)
	d.expect(t, "certificate, then key", Renewed)
}

// TestWhatWasBadIsLookedAtAgain: a certificate of a machine whose clock is ahead becomes good without a change to its
// file, as does one that root could not let everybody read at once, or for which there was no descriptor left.
func TestWhatWasBadIsLookedAtAgain(t *testing.T) {
	f, d := newFolder(t), new(diary)
	s := f.load(Options{Report: d.add}, f.pair("a", spec{}))
	old := f.serial(s)
	f.pair("a", spec{notBefore: now.Add(2 * time.Second)})
	s.Check(now)
	d.expect(t, "too early")
	s.Check(now.Add(time.Second))
	d.expect(t, "still too early", Broken)
	s.Check(now.Add(3 * time.Second))
	d.expect(t, "its time has come", Renewed)
	if f.serial(s) == old || s.Snapshot()[0].Fault != "" {
		t.Errorf("the old one is served: %+v", s.Snapshot()[0])
	}
	s.Check(now.Add(4 * time.Second))
	d.expect(t, "as it was")
}

// TestLinksAreFollowed renews as Kubernetes does: a link to a directory is pointed to another one.
func TestLinksAreFollowed(t *testing.T) {
	f, d := newFolder(t), new(diary)
	for _, dir := range []string{"1", "2"} {
		must(t, 0, os.Mkdir(f.path+"/"+dir, 0o700))
		f.pair(dir+"/a", spec{})
	}
	link := f.path + "/data"
	must(t, 0, os.Symlink("1", link))
	s := f.load(Options{Report: d.add}, Pair{link + "/a.crt", link + "/a.key"})
	must(t, 0, os.Remove(link))
	must(t, 0, os.Symlink("2", link))
	s.Check(now)
	d.expect(t, "link to other files", Renewed)
}

func TestExpiryIsWarnedOfDaily(t *testing.T) {
	f, d := newFolder(t), new(diary)
	s := f.load(Options{Report: d.add}, f.pair("a", spec{notBefore: now.Add(-74 * day), notAfter: now.Add(16 * day)}))
	for _, c := range []struct {
		after time.Duration
		want  []Kind
	}{
		{0, nil},
		{2*day - time.Second, nil},
		{2 * day, []Kind{Expiring}},
		{2*day + time.Hour, nil},
		{3*day - time.Second, nil},
		{3 * day, []Kind{Expiring}},
		{15*day + 6*time.Hour, []Kind{Expiring}},
		{16*day + time.Second, []Kind{Expired}},
		{17 * day, nil},
		{17*day + time.Second, []Kind{Expired}},
	} {
		s.Check(now.Add(c.after))
		d.expect(t, c.after.String(), c.want...)
	}
	f.pair("a", spec{notAfter: now.Add(20 * day)})
	s.Check(now.Add(18 * day))
	d.expect(t, "renewed for two days", Renewed, Expiring)
}

// TestShortLivesAreWarnedOfByTheirShare has certificates of an hour and of six days, which are renewed with half of it
// left, and each time without a word.
func TestShortLivesAreWarnedOfByTheirShare(t *testing.T) {
	for _, life := range []time.Duration{time.Hour, 6 * day, 47 * day} {
		f, d := newFolder(t), new(diary)
		fresh := func(from time.Duration) spec { return spec{notBefore: now.Add(from), notAfter: now.Add(from + life)} }
		s := f.load(Options{Report: d.add}, f.pair("a", fresh(0)))
		s.Check(now)
		d.expect(t, "at the beginning of "+life.String())
		f.pair("a", fresh(life/2))
		s.Check(now.Add(life / 2))
		d.expect(t, "renewed at half of "+life.String(), Renewed)
		end := life/2 + life
		for _, look := range []struct {
			at   time.Duration
			want []Kind
		}{
			{end - life/6 - time.Second, nil},
			{end - life/6, []Kind{Expiring}},
			{end - life/6 + time.Second, nil},
			{end + time.Second, []Kind{Expired}},
			{end + 2*time.Second, nil},
		} {
			s.Check(now.Add(look.at))
			d.expect(t, look.at.String()+" of "+life.String(), look.want...)
		}
	}
}

func TestWatchLooksTwiceASecond(t *testing.T) {
	f, d := newFolder(t), new(diary)
	l4test.Bubble(t, func(t *testing.T) {
		// The time in here begins with the year 2000.
		fresh := spec{notBefore: time.Now().Add(-day), notAfter: time.Now().Add(99 * day)}
		pair := f.pair("a", fresh)
		s, err := Load([]Pair{pair}, Options{Report: d.add}, time.Now())
		must(t, s, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Watch(ctx); close(done) }()
		synctest.Wait()
		f.pair("a", fresh)
		time.Sleep(interval)
		synctest.Wait()
		d.expect(t, "half a second later", Renewed)
		cancel()
		<-done
	})
}

func TestEventsAreSentences(t *testing.T) {
	pair := Pair{"a.crt", "a.key"}
	for want, e := range map[string]Event{
		"certificate a.crt with key a.key is renewed, valid until 2026-05-01 12:00 UTC":           {Kind: Renewed},
		"certificate a.crt with key a.key is renewed, valid until 2026-05-01 12:00 UTC, for a, b": {Kind: Renewed, Names: []string{"a", "b"}},
		"certificate a.crt with key a.key is renewed, valid until 2026-05-01 12:00 UTC, for a, and there is none any more for b, c": {
			Kind: Renewed, Names: []string{"a"}, Lost: []string{"b", "c"}},
		"certificate a.crt with key a.key can't be renewed, the one valid until 2026-05-01 12:00 UTC is kept: x": {Kind: Broken, Err: errText("x")},
		"certificate a.crt with key a.key expires on 2026-05-01 12:00 UTC":                                       {Kind: Expiring},
		"certificate a.crt with key a.key expired on 2026-05-01 12:00 UTC, and clients will refuse it":           {Kind: Expired},
	} {
		e.Pair, e.NotAfter = pair, now
		if got := e.String(); got != want {
			t.Errorf("%s: got %q, want %q", e.Kind, got, want)
		}
	}
}

type errText string

func (e errText) Error() string { return string(e) }
