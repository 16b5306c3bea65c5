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
	if _, err := e.run(workload{Count: 1000, Stall: loadStall}); err != nil {
		t.Fatal(err)
	}
	e.conns[0].sent = false
	fd := e.conns[0].fd
	for e.send(0); !e.conns[0].sent; e.send(0) {
		time.Sleep(time.Millisecond)
	}
	var answer [answerSize]byte
	for n, _, _ := unix.Recvfrom(fd, answer[:], unix.MSG_PEEK); n < answerSize; n, _, _ = unix.Recvfrom(fd, answer[:], unix.MSG_PEEK) {
		time.Sleep(time.Millisecond)
	}
	came := time.Now()
	time.Sleep(late)
	n, lay, err := receiveStamped(fd, answer[:])
	if most := time.Since(came) + loadStall; n != answerSize || err != nil || lay < late || lay > most {
		t.Errorf("got %d bytes, %v and %v, want %d that had been there for %v or a little more", n, lay, err, answerSize, late)
	}
	if _, _, err := receiveStamped(fd, answer[:]); err != unix.EAGAIN {
		t.Errorf("got %v, want %v", err, unix.EAGAIN)
	}
}
