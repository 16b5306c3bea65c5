package integration

import (
	"testing"
	"time"

	"forebay/l4/l4test"
)

const (
	stalled = 200
	backlog = 3 * mib // of each stalled session, more than the kernel keeps
	spared  = 20 * mib
)

// Two hundred clients that read nothing of what a fast backend sends: forebay keeps next to nothing for them, uses no
// CPU, serves others, and all get their bytes when they read on.
func TestStalledReadersCostLittle(t *testing.T) {
	measures(t)
	b := l4test.Serve(t, func(p *l4test.Peer) {
		if string(p.Receive(1)) == "e" {
			l4test.EchoScript(p)
			return
		}
		p.SendContent(1, backlog).CloseWrite().ReceiveAll()
	})
	f := start(t, b.Addr())
	before := f.warmMemory(t)
	readers := make([]*l4test.Peer, stalled)
	for i := range readers {
		readers[i] = l4test.DialNarrow(t, f.Addr(), 32<<10).Send("s")
	}
	awaitUnreadStandstill(t, readers)
	f.wantSpared(t, before)
	for _, r := range readers {
		r.ExpectContent(1, backlog).ExpectEOF().CloseWrite()
	}
	b.AwaitDone(stalled)
}

// The same the other way: two hundred backends read nothing of what their clients send.
func TestStalledBackendsCostLittle(t *testing.T) {
	measures(t)
	resume, stuck := make(chan struct{}), make(chan *l4test.Peer, stalled)
	b := l4test.ServeNarrow(t, 32<<10, func(p *l4test.Peer) {
		if string(p.Receive(1)) == "e" {
			l4test.EchoScript(p)
			return
		}
		stuck <- p
		select {
		case <-resume:
			p.ExpectContent(1, backlog).ExpectEOF()
		case <-p.Ended():
		}
	})
	f := start(t, b.Addr())
	before := f.warmMemory(t)
	var writers []*l4test.Peer
	var waits []func()
	for range stalled {
		w := l4test.Dial(t, f.Addr()).Send("s")
		writers = append(writers, w)
		waits = append(waits, w.Beside(func(p *l4test.Peer) { p.SendContent(1, backlog).CloseWrite() }))
	}
	l4test.Await(t, patience, "all are connected", func() bool { return len(stuck) == stalled })
	awaitUnreadStandstill(t, receive(stuck, stalled))
	f.wantSpared(t, before)
	close(resume)
	for i, wait := range waits {
		wait()
		writers[i].ExpectEOF()
	}
	b.AwaitDone(stalled)
}

// warmMemory returns the memory of a forebay that has served a session and is at rest.
func (f *forebay) warmMemory(t *testing.T) int64 {
	t.Helper()
	l4test.Dial(t, f.Addr()).Send("ewarm").Expect("warm").CloseWrite().ExpectEOF()
	return f.Memory()
}

// wantSpared fails if forebay is busy, has grown, or keeps another client waiting.
func (f *forebay) wantSpared(t *testing.T, before int64) {
	t.Helper()
	f.AwaitRest(500*time.Millisecond, 20*time.Millisecond)
	if grown := f.Memory() - before; grown > spared {
		t.Errorf("forebay holds %d KiB more, want at most %d", grown>>10, spared>>10)
	}
	l4test.Dial(t, f.Addr()).Send("eother").Expect("other").CloseWrite().ExpectEOF()
}

// awaitUnreadStandstill returns when nothing more comes for those who do not read.
func awaitUnreadStandstill(t *testing.T, readers []*l4test.Peer) {
	t.Helper()
	awaitStandstill(t, func() (n int) {
		for _, r := range readers {
			n += r.Unread()
		}
		return n
	})
}

// receive returns the next n of a channel.
func receive[T any](from <-chan T, n int) (all []T) {
	for range n {
		all = append(all, <-from)
	}
	return all
}

// awaitStandstill returns when a sum is not 0 and has not changed for a while.
func awaitStandstill(t *testing.T, sum func() int) {
	t.Helper()
	const still = 300 * time.Millisecond
	last, since := 0, time.Now()
	l4test.Await(t, patience, "standstill", func() bool {
		if now := sum(); now != last {
			last, since = now, time.Now()
		}
		return last != 0 && time.Since(since) > still
	})
}
