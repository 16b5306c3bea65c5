package l4

import (
	"testing"
	"time"

	"forebay/l4/l4test"
)

// sendUntilReset is a script.
func sendUntilReset(p *l4test.Peer) {
	for buf := make([]byte, 64<<10); ; {
		if _, err := p.Conn().Write(buf); err != nil {
			return
		}
	}
}

func TestClientThatReadsNothingIsEnded(t *testing.T) {
	b := l4test.Serve(t, sendUntilReset)
	s := serve(t, func(s *Server) { s.Limits = Limits{LeastProgress: Rate{1 << 10, 200 * time.Millisecond}} }, b.Addr())
	p := l4test.Dial(t, s.addr).SetReceiveBuffer(4096)
	r := s.record(t, ClientSlow)
	if r.Total < 200*time.Millisecond || r.ClientTCP.Unacked == 0 {
		t.Errorf("ended after %v with %d bytes not acknowledged", r.Total, r.ClientTCP.Unacked)
	}
	p.Close()
}

// TestClientThatReadsSlowlyIsEnded has it take a few bytes now and then, as an idle limit would let it.
func TestClientThatReadsSlowlyIsEnded(t *testing.T) {
	b := l4test.Serve(t, sendUntilReset)
	s := serve(t, func(s *Server) { s.Limits = Limits{LeastProgress: Rate{1 << 20, 400 * time.Millisecond}} }, b.Addr())
	p := l4test.Dial(t, s.addr).SetReceiveBuffer(4096)
	stop := make(chan struct{})
	reads := p.Beside(func(p *l4test.Peer) {
		for buf := make([]byte, 2048); ; {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				if _, err := p.Conn().Read(buf); err != nil {
					return
				}
			}
		}
	})
	s.record(t, ClientSlow)
	close(stop)
	reads()
}

func TestBackendThatReadsNothingIsEnded(t *testing.T) {
	b, resume := l4test.Stalled(t)
	defer resume()
	s := serve(t, func(s *Server) { s.Limits = Limits{LeastProgress: Rate{1 << 10, 200 * time.Millisecond}} }, b.Addr())
	sends := l4test.Dial(t, s.addr).Beside(sendUntilReset)
	s.record(t, BackendSlow)
	sends()
}

// TestQuietSessionIsNotSlow has one that carries less than the least progress, because there is no more to carry; and
// one that is still.
func TestQuietSessionIsNotSlow(t *testing.T) {
	s := serve(t, func(s *Server) { s.Limits = Limits{LeastProgress: Rate{1 << 20, 100 * time.Millisecond}} }, l4test.Echo(t).Addr())
	p := l4test.Dial(t, s.addr)
	for range 20 {
		p.Send("x").Expect("x")
		pass(25 * time.Millisecond)
	}
	pass(300 * time.Millisecond)
	p.Send("x").Expect("x").CloseWrite().ExpectEOF()
	s.record(t, ClientClosed)
}

// TestThrottledClientIsNotSlow has Forebay itself be what holds the bytes up.
func TestThrottledClientIsNotSlow(t *testing.T) {
	const size = 48 << 10
	b := l4test.Source(t, 1, size)
	s := serve(t, func(s *Server) {
		s.Limits = Limits{SessionDownload: Rate{32 << 10, time.Second}, LeastProgress: Rate{1 << 20, 100 * time.Millisecond}}
	}, b.Addr())
	l4test.Dial(t, s.addr).ExpectContent(1, size).CloseWrite().ExpectEOF()
	s.clean(t)
}

// TestLostPeerIsNotSlow has a client reset with bytes waiting for it, while what it had said still goes to a backend
// that takes its time, but enough of them.
func TestLostPeerIsNotSlow(t *testing.T) {
	const size, piece, gap = 48 << 10, 2 << 10, 40 * time.Millisecond
	b := l4test.ServeNarrow(t, 4096, func(p *l4test.Peer) {
		p.SendContent(2, 64<<10)
		for range size / piece {
			pass(gap)
			p.Receive(piece)
		}
		p.ExpectReset()
	})
	s := serve(t, func(s *Server) { s.Limits = Limits{LeastProgress: Rate{512, 5 * gap}} }, b.Addr())
	p := l4test.DialNarrow(t, s.addr, 4096)
	l4test.Await(t, 5*time.Second, "the session is relayed", func() bool { return s.has(relaying) })
	p.SendContent(1, size).AwaitAcked().Reset()
	s.record(t, ClientReset)
	b.AwaitDone(1)
}
