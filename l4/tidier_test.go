package l4

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A burst is so many handshakes, one each pause.
type burst struct {
	handshakes int
	pause      time.Duration
}

// tidied lets bursts of handshakes go by, with a minute behind each, and returns when memory was returned.
func tidied(t *testing.T, spare bool, bursts ...burst) (at []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		y, quit, ended := newTidier(), make(chan struct{}), make(chan struct{})
		y.spare = func() bool { return spare }
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
		spare  bool
		bursts []burst
		want   []time.Duration
	}{
		{"nothing", true, []burst{{0, 0}}, nil},
		{"one handshake", true, []burst{{1, 0}}, []time.Duration{lull}},
		{"one of a tenth of a second", true, []burst{{100, ms}}, []time.Duration{2 * lull}},
		{"one of five seconds", true, []burst{{50, 100 * ms}}, []time.Duration{8 * time.Second}},
		{"one a second", true, []burst{{60, time.Second}}, []time.Duration{62 * time.Second}},
		{"two", true, []burst{{1, 0}, {1, 0}}, []time.Duration{lull, time.Minute + lull}},
		{"little", false, []burst{{1000, ms}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := tidied(t, c.spare, c.bursts...); !slices.Equal(got, c.want) {
				t.Errorf("returned after %v, want %v", got, c.want)
			}
		})
	}
}

// TestTidierEndsInALull: a stop need not wait for one.
func TestTidierEndsInALull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
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

// TestGarbageIsSpare: what nobody uses any more counts, and no longer once it was returned.
func TestGarbageIsSpare(t *testing.T) {
	y := newTidier()
	y.free()
	var kept []byte
	for range 64 {
		kept = make([]byte, 1<<20)
	}
	if kept[0]++; !y.spare() {
		t.Error("64 MiB of garbage are not worth returning")
	}
	y.free()
	if y.spare() {
		t.Error("what was returned is spare still")
	}
}
