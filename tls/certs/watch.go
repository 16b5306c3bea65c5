package certs

import (
	"context"
	"slices"
	"time"
)

// interval is how often Watch looks at the files. So a renewed certificate is served within a second.
const interval = 500 * time.Millisecond

// Watch calls Check at once and then twice a second, until ctx is done. It polls: inotify(7) does not follow the links
// by which Kubernetes and certbot renew files, and does not work over a network.
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

// Check looks at all files once, and reads the changed ones again. When it returns, new handshakes get the new pairs
// that are good.
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
