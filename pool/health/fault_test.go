package health

import (
	"net"
	"testing"
	"time"
)

// A dial may find that its time is up a moment before its context does.
func TestDialThatTimesOutIsNoAnswerInTime(t *testing.T) {
	d := net.Dialer{Deadline: time.Now().Add(-time.Second)}
	_, err := d.DialContext(t.Context(), "tcp", "127.0.0.1:1")
	if err == nil {
		t.Fatal("it connected")
	}
	if got := plain(t.Context(), err); got != ErrTimeout {
		t.Errorf("%v is told as %v, want %v", err, got, ErrTimeout)
	}
	if got := plain(t.Context(), shorter(err)); got != ErrTimeout {
		t.Errorf("%v is told as %v, want %v", shorter(err), got, ErrTimeout)
	}
}
