package certs

import (
	"context"
	"slices"
	"time"
)

// interval is how often Watch looks at the files: a renewed certificate shall serve within a second.
const interval = 500 * time.Millisecond

// Watch calls Check at once and then twice a second, until ctx is done. Files are polled rather than watched by
// inotify(7), which does not see through the links that Kubernetes and certbot renew by, nor over a network.
func (s *Store) Watch(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		s.Check(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Check looks at all files once, and reads those again that have changed. New handshakes get what is good of it before
// Check returns.
func (s *Store) Check(now time.Time) {
	for _, e := range s.check(now) {
		if s.options.Report != nil {
			s.options.Report(e)
		}
	}
}

// check returns what there is to report.
func (s *Store) check(now time.Time) (events []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		events = append(events, e.check(now)...)
	}
	if len(events) > 0 {
		s.publishLocked()
	}
	for i := range events { // names may have moved from one certificate to another
		events[i].Lost = slices.DeleteFunc(events[i].Lost, s.Has)
	}
	return events
}
