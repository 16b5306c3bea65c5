package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRunOfTheReference does every step once, in little, with real processes.
func TestRunOfTheReference(t *testing.T) {
	programs, err := findPrograms([]string{referenceName}, "")
	if err != nil {
		t.Fatal(err)
	}
	p := plan{
		Programs: []string{referenceName}, Threads: []threads{1}, Rounds: 1, Briefs: 1, Closes: 1, Idles: 1,
		Exchanges: 400, Connections: 100, Blocks: 4,
		Paced: 50 * time.Millisecond, Beside: 50 * time.Millisecond, IdleFor: 10 * time.Millisecond,
		TLS: tlsPlan{Handshakes: 100, Exchanges: 400, Blocks: 4, Sessions: 100},
	}
	b, err := startBench(p, programs, 4096, newProgress(io.Discard, p.measurements()))
	if err != nil {
		t.Fatal(err)
	}
	defer b.stop()
	if err := b.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(b.report.Failures) > 0 {
		t.Errorf("failures: %q", b.report.Failures)
	}
	for _, m := range allMetrics() {
		if got := len(b.report.cells(1, m.id)[referenceName]); got != 1 {
			t.Errorf("%s: got %d samples, want 1", m.id, got)
		}
	}
	checkFiles(t, b.report)
}

func checkFiles(t *testing.T, r *report) {
	t.Helper()
	page, samples := filepath.Join(t.TempDir(), "docs", "page.md"), filepath.Join(t.TempDir(), "samples.json")
	if err := (options{page: page, json: samples}).write(r); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.Contains(line, host) || strings.Contains(line, os.TempDir()+"/") {
			t.Errorf("the page names this machine: %s", line)
		}
	}
	var again report
	text, err = os.ReadFile(samples)
	if err == nil {
		err = json.Unmarshal(text, &again)
	}
	if err != nil || len(again.Samples) != len(r.Samples) {
		t.Errorf("samples: got %d, %v, want %d", len(again.Samples), err, len(r.Samples))
	}
}

func TestCancelledRunStops(t *testing.T) {
	programs, err := findPrograms([]string{referenceName}, "")
	if err != nil {
		t.Fatal(err)
	}
	p := plan{Programs: []string{referenceName}, Threads: []threads{1}, Only: []string{"exchange"}, Briefs: 1, Exchanges: 1 << 30}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b, err := startBench(p, programs, 4096, newProgress(onWrite(func() { time.AfterFunc(300*time.Millisecond, cancel) }), 1))
	if err != nil {
		t.Fatal(err)
	}
	defer b.stop()
	if err := b.run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// onWrite is a writer that calls itself at each write.
type onWrite func()

func (f onWrite) Write(b []byte) (int, error) {
	f()
	return len(b), nil
}

func TestProgramThatDoesNotStart(t *testing.T) {
	fails := &program{name: "fails", command: func(*program, setup) ([]string, error) {
		return []string{"/bin/sh", "-c", "echo unknown flag --loops >&2; exit 2"}, nil
	}}
	_, err := startProxy(context.Background(), fails, setup{descriptors: 100})
	want := "fails has ended (exit status 2): unknown flag --loops"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRatesAreTheLeast(t *testing.T) {
	var r rates
	r.lower(rates{10, 5, 2})
	r.lower(rates{7, 9, 3})
	if want := (rates{7, 5, 2}); r != want {
		t.Errorf("got %v, want %v", r, want)
	}
}

func TestProgressWithoutTerminalIsLines(t *testing.T) {
	var b strings.Builder
	p := newProgress(&b, 12)
	p.next("round %d", 1)
	p.next("round %d", 2)
	p.end()
	if got, want := b.String(), "0:00   1/12  round 1\n0:00   2/12  round 2\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := clockTime(125*time.Second), "2:05"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestTLSStepsMeetProgramsThatEndTLS: a step that met the plain one would measure plain TCP.
func TestTLSStepsMeetProgramsThatEndTLS(t *testing.T) {
	programs, err := findPrograms([]string{referenceName}, "")
	if err != nil {
		t.Fatal(err)
	}
	p := plan{Threads: []threads{1}, Only: []string{"tls-idle"}}
	b, err := startBench(p, programs, 4096, newProgress(io.Discard, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer b.stop()
	ctx := context.Background()
	proxies, err := b.startAll(ctx, 1)
	for _, p := range proxies {
		defer p.stop()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []step{{}, {alone: true}, {tls: true}, {tls: true, alone: true}} {
		s.files = 100
		s.measure = func(_ context.Context, _ *bench, met *proxy) (values, error) {
			if speaks := met.certificate != nil; speaks != s.tls {
				t.Errorf("alone %v: TLS is %v, want %v", s.alone, speaks, s.tls)
			}
			return nil, met.probe()
		}
		if _, err := b.measure(ctx, 1, s, proxies[0]); err != nil {
			t.Errorf("alone %v, TLS %v: %v", s.alone, s.tls, err)
		}
	}
}
