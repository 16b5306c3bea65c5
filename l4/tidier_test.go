package l4

import (
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"forebay/l4/l4test"
)

// A burst is so many handshakes, one each pause.
type burst struct {
	handshakes int
	pause      time.Duration
}

// tidied lets bursts of handshakes go by, with a minute behind each, and returns when memory was returned.
func tidied(t *testing.T, bursts ...burst) (at []time.Duration) {
	l4test.Bubble(t, func(t *testing.T) {
		began := time.Now()
		y, quit, ended := newTidier(), make(chan struct{}), make(chan struct{})
		y.heap = func() (live, held uint64) {
			if n := len(at); n > 0 && at[n-1] == time.Since(began) {
				return 0, 0 // it has just been returned
			}
			return 0, leastSpare
		}
		y.free = func() { at = append(at, time.Since(began)) }
		go func() { y.run(quit); close(ended) }()
		for _, b := range bursts {
			for range b.handshakes {
				y.shook()
				time.Sleep(b.pause)
			}
			time.Sleep(time.Minute)
		}
		close(quit)
		<-ended
	})
	return at
}

func TestMemoryIsReturnedAfterABurst(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name   string
		bursts []burst
		want   []time.Duration
	}{
		{"nothing", []burst{{0, 0}}, nil},
		{"one handshake", []burst{{1, 0}}, []time.Duration{lull}},
		{"one of a tenth of a second", []burst{{100, ms}}, []time.Duration{2 * lull}},
		{"one of five seconds", []burst{{50, 100 * ms}}, []time.Duration{8 * time.Second}},
		{"one a second", []burst{{60, time.Second}}, []time.Duration{62 * time.Second}},
		{"two", []burst{{1, 0}, {1, 0}}, []time.Duration{lull, time.Minute + lull}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := tidied(t, c.bursts...); !slices.Equal(got, c.want) {
				t.Errorf("returned after %v, want %v", got, c.want)
			}
		})
	}
}

// TestTidierEndsInALull: a stop need not wait for one.
func TestTidierEndsInALull(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		y, quit, ended := newTidier(), make(chan struct{}), make(chan struct{})
		y.free = func() { t.Error("memory was returned") }
		go func() { y.run(quit); close(ended) }()
		y.shook()
		synctest.Wait()
		began := time.Now()
		close(quit)
		if <-ended; time.Since(began) > 0 {
			t.Errorf("ended after %v", time.Since(began))
		}
	})
}

// TestMemoryIsReturnedWhereItIsMuch asks once more after it has been returned, when what stays is not to be taken for
// spare.
func TestMemoryIsReturnedWhereItIsMuch(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		live, held, stays uint64 // stays: what is left beside live
		want              int
	}{
		{0, 0, 0, 0},
		{mib, 3*mib - 1, 0, 0},
		{mib, 3 * mib, 0, 1},
		{mib, 3 * mib, mib, 1},
		{mib, 9 * mib, 5 * mib, 1},
		{mib, mib / 2, 0, 0}, // of what was in use some has been swept
		{160 * mib, 180*mib - 1, 0, 0},
		{160 * mib, 180 * mib, 0, 1},
	} {
		returned, held := 0, c.held
		y := newTidier()
		y.heap = func() (uint64, uint64) { return c.live, held }
		y.free = func() { returned++; held = c.live + c.stays }
		for range 3 {
			y.tidy()
		}
		if returned != c.want {
			t.Errorf("%d bytes in use of %d: returned %d times, want %d", c.live, c.held, returned, c.want)
		}
	}
}

// TestGarbageIsHeld: what nobody uses any more counts.
func TestGarbageIsHeld(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // so that nobody collects it
	var kept []byte
	for range 64 {
		kept = make([]byte, 1<<20)
	}
	kept[0]++
	if live, held := heap(); held < live+60<<20 {
		t.Errorf("%d bytes are held, and %d in use; want 64 MiB more", held, live)
	}
}
