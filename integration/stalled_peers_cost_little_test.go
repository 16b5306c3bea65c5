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

// Two hundred clients that read nothing of what a fast backend sends: forebay keeps next to nothing for them, uses no CPU, serves others, and all
// get their bytes when they read on.
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
		readers[i] = l4test.Dial(t, f.Addr()).SetReceiveBuffer(32 << 10).Send("s")
	}
	awaitStandstill(t, func() (n int) {
		for _, r := range readers {
			n += r.Unread()
		}
		return n
	})
	f.wantSpared(t, before)
	for _, r := range readers {
		r.ExpectContent(1, backlog).ExpectEOF().CloseWrite()
	}
	b.AwaitDone(stalled)
}

// The same the other way: two hundred backends read nothing of what their clients send.
func TestStalledBackendsCostLittle(t *testing.T) {
	measures(t)
	resume := make(chan struct{})
	b := l4test.Serve(t, func(p *l4test.Peer) {
		if string(p.Receive(1)) == "e" {
			l4test.EchoScript(p)
			return
		}
		p.SetReceiveBuffer(32 << 10)
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
	awaitStandstill(t, func() (n int) {
		for _, w := range writers {
			n += w.Unacked()
		}
		return n
	})
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

// wantSpared fails if forebay has grown, is busy, or keeps another client waiting.
func (f *forebay) wantSpared(t *testing.T, before int64) {
	t.Helper()
	if grown := f.Memory() - before; grown > spared {
		t.Errorf("forebay holds %d KiB more, want at most %d", grown>>10, spared>>10)
	}
	if cpu := f.CPUDuring(500 * time.Millisecond); cpu > 20*time.Millisecond {
		t.Errorf("forebay used %v of 500ms in which nothing moved", cpu)
	}
	begun := time.Now()
	l4test.Dial(t, f.Addr()).Send("eother").Expect("other").CloseWrite().ExpectEOF()
	if took := time.Since(begun); took > time.Second {
		t.Errorf("another client waited %v", took)
	}
}

// awaitStandstill returns when a sum has not changed for a while.
func awaitStandstill(t *testing.T, sum func() int) {
	t.Helper()
	const still = 300 * time.Millisecond
	last, since := -1, time.Now()
	l4test.Await(t, patience, "standstill", func() bool {
		if now := sum(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > still
	})
}
