package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"forebay/l4"
	"forebay/l4/l4test"
	"forebay/pool"
)

// A drainLog is a drainer over 127.0.0.1:8000-8001 whose drains never end by themselves, and what they were.
type drainLog struct {
	drainer
	out bytes.Buffer

	mu     sync.Mutex
	drains []string
}

func newDrainLog(t *testing.T, args ...string) *drainLog {
	_, f := drainsOf(t, "", append([]string{"127.0.0.1:8000-8001"}, args...)...)
	l := &drainLog{}
	l.drainer = drainer{file: f, under: map[*pool.Backend]*emptying{}, dark: map[*pool.Pool]bool{}, several: len(args) > 0,
		logger: slog.New(slog.NewJSONHandler(&l.out, nil))}
	l.ctx, l.stop = context.WithCancel(t.Context())
	l.drain = func(ctx context.Context, d l4.Drain) error {
		l.mu.Lock()
		l.drains = append(l.drains, fmt.Sprintf("%s for %v", d.Backend, d.Deadline))
		l.mu.Unlock()
		<-ctx.Done()
		return ctx.Err()
	}
	return l
}

// says follows the text of a drain file, and returns what was logged meanwhile.
func (l *drainLog) says(t *testing.T, text string) []string {
	t.Helper()
	orders, err := l.file.parse([]byte(text), true)
	if err != nil {
		t.Fatal(err)
	}
	l.follow(orders)
	synctest.Wait()
	return l.logged()
}

// logged returns the lines since it was last called.
func (l *drainLog) logged() []string {
	defer l.out.Reset()
	return slices.Collect(strings.Lines(l.out.String()))
}

func (l *drainLog) draining() (all []string) {
	for _, m := range l.file.members {
		if m.Draining() {
			all = append(all, m.Name())
		}
	}
	return all
}

func TestDrainerFollows(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		l := newDrainLog(t)
		const one, other = "127.0.0.1:8000", "127.0.0.1:8001"
		for i, step := range []struct {
			text   string
			drains []string // begun by it
			out    []string // of use then
			logged []string
		}{
			{"", nil, nil, nil},
			{one, []string{one + " for 10m0s"}, []string{one}, nil},
			{one + ",idle=5s # the same", nil, []string{one}, nil},
			{one + ",deadline=1m", []string{one + " for 1m0s"}, []string{one}, nil},
			{other, []string{other + " for 10m0s"}, []string{other}, []string{"a backend takes sessions again"}},
			{other + "\n" + one, []string{one + " for 10m0s"}, []string{one, other}, []string{"every backend is drained, and clients are turned away"}},
			{other + "\n" + one + ",idle=1s", []string{one + " for 10m0s"}, []string{one, other}, nil},
			{other, nil, []string{other}, []string{"a backend takes sessions again"}},
			{"", nil, nil, []string{"a backend takes sessions again"}},
		} {
			l.drains = nil
			logged := l.says(t, step.text)
			if !slices.Equal(l.drains, step.drains) || !slices.Equal(l.draining(), step.out) {
				t.Errorf("step %d: drains %q and out of use are %q, want %q and %q", i, l.drains, l.draining(), step.drains, step.out)
			}
			if len(logged) != len(step.logged) {
				t.Fatalf("step %d: got %q, want %q", i, logged, step.logged)
			}
			for j, want := range step.logged {
				wantFields(t, logged[j], map[string]any{"msg": want})
			}
		}
		l.says(t, one)
		l.stop()
		l.running.Wait()
		if logged := l.logged(); len(logged) > 0 || !l.file.members[0].Draining() {
			t.Errorf("at the end %q was logged, want nothing, and the backend out of use", logged)
		}
	})
}

// A backend of several routes is drained in each, and the log says in which.
func TestDrainerNamesTheRoute(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		l := newDrainLog(t, "--route", "a.example=127.0.0.1:8001")
		logged := l.says(t, "127.0.0.1:8001")
		if len(l.drains) != 2 || len(logged) != 1 {
			t.Fatalf("%d drains and %q, want 2 and a line", len(l.drains), logged)
		}
		wantFields(t, logged[0], map[string]any{"level": "WARN", "route": "a.example"})
		logged = l.says(t, "")
		wantFields(t, logged[0], map[string]any{"backend": "127.0.0.1:8001", "route": "*"})
		wantFields(t, logged[1], map[string]any{"backend": "127.0.0.1:8001", "route": "a.example"})
	})
}

// What a drain tells five times a second is logged every five seconds while it changes, and every minute while not.
func TestDrainsAreTold(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		l := newDrainLog(t)
		l.drain = func(_ context.Context, d l4.Drain) error {
			p := l4.DrainProgress{Total: 9, Left: 9, Oldest: time.Hour, ETA: 2 * time.Minute}
			for ; p.Elapsed < 3*time.Minute; p.Elapsed += 200 * time.Millisecond {
				switch p.Elapsed {
				case 100*time.Second + 400*time.Millisecond:
					p.Leaving = 1
				case 101 * time.Second:
					p.Left = 7
				case 104 * time.Second:
					p.Left, p.Leaving, p.ETA = 3, 0, -1
				}
				d.Progress(p)
			}
			d.Progress(l4.DrainProgress{Total: 9, Elapsed: p.Elapsed + 40*time.Millisecond})
			return nil
		}
		logged := l.says(t, "127.0.0.1:8000,deadline=0")
		want := []map[string]any{
			{"level": "INFO", "msg": "draining a backend", "backend": "127.0.0.1:8000", "sessions": 9.0, "of": 9.0, "leaving": 0.0, "oldest": "1h0m0s", "eta": "2m0s",
				"idle": "5s", "spread": "2m", "deadline": "0"},
			{"msg": "draining a backend", "sessions": 9.0, "idle": nil},                      // at 1m0s
			{"msg": "draining a backend", "sessions": 9.0, "leaving": 1.0},                   // at 1m40.4s
			{"msg": "draining a backend", "sessions": 3.0, "leaving": 0.0, "eta": "unknown"}, // at 1m45.4s
			{"msg": "draining a backend", "sessions": 3.0},                                   // at 2m45.4s
			{"level": "INFO", "msg": "a backend is drained", "sessions": 9.0, "took": "3m0s"},
		}
		if len(logged) != len(want) {
			t.Fatalf("got %q, want %d lines", logged, len(want))
		}
		for i, w := range want {
			wantFields(t, logged[i], w)
		}
	})
}

func TestEndsOfDrainsAreTold(t *testing.T) {
	for name, test := range map[string]struct {
		last l4.DrainProgress
		err  error
		want map[string]any
	}{
		"nobody was there": {l4.DrainProgress{}, nil, map[string]any{"level": "INFO", "msg": "a backend is drained", "sessions": 0.0}},
		"cut": {l4.DrainProgress{Total: 9, Cut: 2}, nil,
			map[string]any{"level": "WARN", "msg": "a backend is drained, and sessions were cut at the deadline", "sessions": 9.0, "cut": 2.0}},
		"the process stops": {l4.DrainProgress{Total: 9}, l4.ErrNotServing, nil},
		"unforeseen":        {l4.DrainProgress{}, fmt.Errorf("no"), map[string]any{"level": "ERROR", "error": "no"}},
	} {
		l4test.Bubble(t, func(t *testing.T) {
			l := newDrainLog(t)
			l.drain = func(_ context.Context, d l4.Drain) error { d.Progress(test.last); return test.err }
			logged := l.says(t, "127.0.0.1:8000")
			switch {
			case test.want == nil && len(logged) > 0 || test.want != nil && len(logged) != 1:
				t.Errorf("%s: got %q", name, logged)
			case test.want != nil:
				wantFields(t, logged[0], test.want)
			}
		})
	}
}
