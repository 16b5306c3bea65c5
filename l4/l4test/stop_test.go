package l4test

import (
	"net"
	"testing"
)

// A Backend that stops listening refuses connections at once, though a command that is just being started has a copy of
// its socket.
func TestStopListeningHoldsForCopiesOfTheSocket(t *testing.T) {
	b := Serve(t, func(*Peer) {})
	file, err := b.listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b.StopListening()
	if conn, err := net.Dial("tcp", b.Addr()); err == nil {
		conn.Close()
		t.Error("a connection was taken after the backend had stopped listening")
	}
}
