package integration

import (
	"testing"
	"time"

	"forebay/l4/l4test"
)

// A client's sessions share its bandwidth, however many they are, and each moves.
func TestBandwidthIsShared(t *testing.T) {
	t.Parallel()
	const each, sessions = 512 << 10, 6 // 3 MiB at 1 MiB/s, of which one was saved up
	f := start(t, "--client-download", "1MiB/s", l4test.Source(t, 1, each).Addr())
	began := time.Now()
	var rest []func()
	for range sessions {
		rest = append(rest, l4test.Dial(t, f.Addr()).Beside(func(p *l4test.Peer) { p.ExpectContent(1, each).CloseWrite().ExpectEOF() }))
	}
	for _, wait := range rest {
		wait()
	}
	wantTook(t, began, 2*time.Second)
	// The first two may have had what was saved up. One after the other the rest would take 0.5 s, 1 s, 1.5 s and 2 s;
	// beside each other nearly 2 s each.
	sum := 0.0
	for _, e := range f.Sessions(sessions)[2:] {
		sum += e.Time.Sub(began).Seconds() + e.Total
	}
	if sum < 5.5 {
		t.Errorf("the last four sessions took %v s in all, one after the other", sum)
	}
}

// Both directions of a session have their own bandwidth, with TLS as well as without, and what comes arrives whole.
func TestBandwidthOfASession(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	for _, w := range append([]arrangement{{name: "in clear"}}, arrangements...) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			f := w.build(t, func(p *l4test.Peer) { p.ExpectContent(1, size/2).SendContent(2, size).CloseWrite().ExpectEOF() },
				"--session-upload", "512KiB/s", "--session-download", "2MiB/s")
			p := f.dial(t)
			began := time.Now()
			p.SendContent(1, size/2).ExpectContent(2, size)
			wantTook(t, began, 2*time.Second+time.Second/2)
			p.CloseWrite().ExpectEOF()
		})
	}
}

// wantTook fails unless it took so long since then, or little longer.
func wantTook(t *testing.T, began time.Time, want time.Duration) {
	t.Helper()
	if took := time.Since(began); took < want-50*time.Millisecond || took > want+slack {
		t.Errorf("took %v, want %v", took, want)
	}
}
