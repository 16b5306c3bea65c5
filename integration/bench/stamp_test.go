package main

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// For how long bytes have been there is told, however late they are read.
func TestStampsTellWhenBytesCame(t *testing.T) {
	const late = 50 * time.Millisecond
	e := newTestEngine(t, startTestBackend(t), 1)
	if _, err := e.run(workload{Count: 1000, Stall: loadStall}); err != nil { // by then the kernel stamps
		t.Fatal(err)
	}
	e.send(0)
	fd := e.conns[0].fd
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(loadStall/time.Millisecond)); n != 1 {
		t.Fatalf("no answer came: %v", err)
	}
	came := time.Now()
	<-time.After(late)
	var answer [answerSize]byte
	n, lay, err := receiveStamped(fd, answer[:])
	if most := time.Since(came) + loadStall; n != answerSize || err != nil || lay < late || lay > most {
		t.Errorf("got %d bytes, %v and %v, want %d that had been there for %v or a little more", n, lay, err, answerSize, late)
	}
	if _, _, err := receiveStamped(fd, answer[:]); err != unix.EAGAIN {
		t.Errorf("got %v, want %v", err, unix.EAGAIN)
	}
}
