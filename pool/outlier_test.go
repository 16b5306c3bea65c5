package pool

import (
	"context"
	"testing"
	"time"

	"forebay/l4/l4test"
)

func TestSlowBackendIsEjected(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{Ejection: Ejection{Slow: 3}}, equal(4))
		told := newDiary(p)
		window := func(slow time.Duration) {
			for _, b := range p.Backends() {
				took := 20 * time.Millisecond
				if b.Name() == "c" {
					took = slow
				}
				for range 5 {
					l := on(b)
					l.Connected(time.Millisecond)
					l.FirstByte(took)
					l.Done(Served)
				}
			}
			time.Sleep(slowWindow)
			p.compareTimes()
		}
		c := p.Backends()[2]
		for _, slow := range []time.Duration{59, 59, 59, 61, 61, 59} { // never three in a row above three times the median
			c.forgetTimes()
			window(slow * time.Millisecond)
		}
		told.want(t)
		c.forgetTimes()
		window(61 * time.Millisecond)
		window(61 * time.Millisecond)
		told.want(t)
		window(61 * time.Millisecond)
		told.want(t, "1m30s c up→ejected until 1m35s by latency: took 61ms to send the first byte, the median of the pool is 20ms")
		if c.firstByte.duration() != 0 {
			t.Error("its old times were not forgotten")
		}
	})
}

func TestTooLittleToCompareEjectsNobody(t *testing.T) {
	for name, test := range map[string]struct{ backends, sessions int }{
		"two backends":  {2, 20},
		"four sessions": {4, 4},
	} {
		p := ejecting(t, Options{Ejection: Ejection{Slow: 3}}, equal(test.backends))
		for range 4 {
			for _, b := range p.Backends() {
				for range test.sessions {
					l := on(b)
					l.Connected(map[bool]time.Duration{true: time.Minute, false: 1}[b.Name() == "a"])
					l.Done(Served)
				}
			}
			p.compareTimes()
		}
		if got := backend(t, p, "a").State(); got != Up {
			t.Errorf("%s: got %v, want up", name, got)
		}
	}
}

func TestTimesAreComparedEachWindow(t *testing.T) {
	l4test.Bubble(t, func(t *testing.T) {
		p := ejecting(t, Options{Ejection: Ejection{Slow: 3}}, equal(4))
		told := newDiary(p)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			p.CompareTimes(ctx)
		}()
		for range 3 {
			pass(time.Second)
			for i, b := range p.Backends() {
				for range slowSessions {
					l := on(b)
					l.Connected([]time.Duration{time.Second, 1, 1, 1}[i])
					l.Done(Served)
				}
			}
			pass(slowWindow - time.Second)
		}
		told.want(t, "30s a up→ejected until 35s by latency: took 1s to connect, the median of the pool is 0s")
		cancel()
		<-ended
	})
}

func TestNothingIsComparedUnlessToldTo(t *testing.T) {
	newPool(t, Options{}, equal(4)).CompareTimes(t.Context()) // returns at once
}
