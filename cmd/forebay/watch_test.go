package main

import (
	"context"
	"testing"

	"forebay/tls/profile"
)

// A slowFile is one whose looks take until they are released, as those of a drain file do that has a drain ended.
type slowFile struct{ looks, released chan bool }

func (f slowFile) Check() (profile.Event, bool) {
	f.looks <- true
	<-f.released
	return profile.Event{}, false
}

// TestNobodyWaitsForFiles has signals come while a file is looked at: they are gone on with at once, and the files are
// read again once, when it is over.
func TestNobodyWaitsForFiles(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := slowFile{make(chan bool), make(chan bool)}
	w := watcher{stop: cancel, between: make(chan func(), 1)}
	w.running.Go(func() { profile.Watch(ctx, func(profile.Event) {}, w.between, f) })
	<-f.looks
	read := make(chan bool, 10)
	for range 10 {
		w.do(func() { read <- true })
	}
	if len(read) > 0 {
		t.Error("files are read while they are looked at")
	}
	f.released <- true
	<-read
	<-f.looks
	cancel()
	f.released <- true
	w.running.Wait()
	if len(read) > 0 {
		t.Errorf("files are read %d times more, want once for all signals", len(read))
	}
	(&watcher{}).do(func() { t.Error("called where no file is watched") })
}
