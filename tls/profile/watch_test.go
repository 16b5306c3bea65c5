package profile

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"forebay/l4/l4test"
)

// TestBadFileKeepsTheOldOne: it is told of once, and not before it has been seen twice.
func TestBadFileKeepsTheOldOne(t *testing.T) {
	k, path := loadTickets(t, line('a'))
	dir := filepath.Dir(path)
	expect := func(when, want string) {
		t.Helper()
		e, ok := k.Check()
		if ok != (want != "") || ok && !strings.Contains(e.String(), want) {
			t.Errorf("%s: got %v, %v, want %q", when, e, ok, want)
		}
	}
	expect("as it was", "")
	for want, ruin := range map[string]func(){
		"no session ticket key": func() { write(t, dir, "tickets", []byte("half")) },
		"no such file":          func() { must(t, 0, os.Remove(path)) },
	} {
		write(t, dir, "tickets", []byte(line('a')))
		k.Check()
		ruin()
		expect("first look", "")
		expect("second look", want)
		expect("third look", "")
		if keys := *k.file.value.Load(); len(keys) != 1 {
			t.Errorf("the old keys are gone: %d", len(keys))
		}
	}
	write(t, dir, "tickets", []byte(line('b')))
	expect("good again", "has changed and is in use")
	expect("good still", "")
	write(t, dir, "tickets", []byte("half"))
	k.Check()
	write(t, dir, "tickets", []byte(line('c')))
	expect("seen half written", "has changed and is in use")
}

// TestWhatWasBadIsReadAgain has a file that can't be read for a while, though it does not change: for want of a
// descriptor, or of a right that it is given later.
func TestWhatWasBadIsReadAgain(t *testing.T) {
	var w watched[int]
	lacking := true
	path := write(t, t.TempDir(), "file", []byte("1"))
	must(t, 0, w.open(path, func(text []byte) (int, error) {
		if lacking && string(text) != "1" {
			return 0, errors.New("not now")
		}
		return len(text), nil
	}))
	write(t, filepath.Dir(path), "file", []byte("22"))
	for _, told := range []bool{false, true, false} {
		if e, ok := w.check(); ok != told || told && e.Err == nil {
			t.Errorf("while it is bad: got %v, %v, want %v", e, ok, told)
		}
	}
	lacking = false
	if e, ok := w.check(); !ok || e.Err != nil || *w.value.Load() != 2 {
		t.Errorf("now that it is good: got %v, %v, value %d", e, ok, *w.value.Load())
	}
	if e, ok := w.check(); ok {
		t.Errorf("as it was: got %v", e)
	}
}

// TestALargeBadFileIsReadSeldom has one that takes long to read: twice a second it would keep a processor busy.
func TestALargeBadFileIsReadSeldom(t *testing.T) {
	var w watched[int]
	reads, bad := 0, false
	path := write(t, t.TempDir(), "file", []byte("1"))
	must(t, 0, w.open(path, func(text []byte) (int, error) {
		if reads++; bad {
			return 0, errors.New("not now")
		}
		return len(text), nil
	}))
	bad = true
	large := bytes.Repeat([]byte("x"), 100<<10)
	write(t, filepath.Dir(path), "file", large)
	told, looks := 0, 200
	reads = 0
	for range looks {
		if _, ok := w.check(); ok {
			told++
		}
	}
	if told != 1 || reads < 2 || reads > looks/20 {
		t.Errorf("within %d looks it was read %d times and told of %d times", looks, reads, told)
	}
	bad = false
	for look := 1; *w.value.Load() != len(large); look++ {
		if w.check(); look == looks {
			t.Fatal("it is not read again")
		}
	}
}

func TestWatchLooksTwiceASecond(t *testing.T) {
	k, path := loadTickets(t, line('a'))
	l4test.Bubble(t, func(t *testing.T) {
		var events []Event
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			Watch(ctx, func(e Event) { events = append(events, e) }, nil, k)
			close(done)
		}()
		synctest.Wait()
		write(t, filepath.Dir(path), "tickets", []byte(line('b')))
		time.Sleep(interval)
		synctest.Wait()
		cancel()
		<-done
		if len(events) != 1 {
			t.Errorf("got %v, want one event", events)
		}
	})
}
