package l4

import (
	"time"

	"golang.org/x/sys/unix"

	"forebay/tls/sni"
)

// A client whose TLS fails here is told why, mostly by an alert, and must get that. A socket that is closed while bytes
// stand in it unread is reset by the kernel, and so is one for which bytes come later; the reset can overtake the
// alert, or have the client's next write fail before it reads it. So FIN goes out behind the last word, what the client
// still sends is thrown away, and the socket is closed when the client has closed its end, within a time and an amount
// that a client which means well stays within. nginx calls this a lingering close.

const (
	dismissWithin = 2 * time.Second
	dismissMost   = 1 << 20
)

// dismiss tells the client last, and that nothing follows. why is the cause that the session will have.
func (s *session) dismiss(why Cause, last []byte) (stage, Cause) {
	e, t := &s.client, s.traced()
	if len(last) > 0 {
		e.transmit(last, unix.MSG_MORE)
	}
	e.fault = uint16(faultTLS) // this end is closed with FIN, whatever else happens
	e.shut = true
	shutdownWrite(e.fd)
	s.up.held = nil
	t.dismissed, t.unheard, t.look = why, dismissMost, s.loop.now+int64(dismissWithin)
	e.readable = !e.ended // what had raised it may have been taken back by a read of less than all
	return dismissing, CauseNone
}

// dismissal waits for a client that was dismissed to close its end.
func (s *session) dismissal() (stage, Cause) {
	e, t := &s.client, s.trace
	for e.readable && t.unheard > 0 {
		n, errno := e.receive(s.loop.buf)
		if errno != 0 && errno != unix.EAGAIN {
			return dismissing, t.dismissed
		}
		t.unheard -= max(n, 0)
	}
	if e.ended || t.unheard <= 0 || s.loop.now >= t.look {
		return dismissing, t.dismissed
	}
	return dismissing, CauseNone
}

// badRequest answers HTTP in clear where TLS is wanted, as nginx and Go's net/http do: a person sees it, and curl shows
// it.
const badRequest = "HTTP/1.1 400 Bad Request\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 59\r\nConnection: close\r\n\r\n" +
	"This port speaks TLS: write https:// in place of http://.\r\n"

// lastWord is what a client is told that is refused because of fault; nil where it would understand nothing.
func lastWord(fault error) []byte {
	if fault == sni.ErrHTTP {
		return []byte(badRequest)
	}
	if alert := sni.AlertFor(fault); alert != 0 {
		return alert.Record()
	}
	return nil
}
